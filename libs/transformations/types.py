"""Arrow types as text, by what can be done with their values."""

from enum import StrEnum

from libs.transformations.relation import Column


class Family(StrEnum):
    """Types whose values compare and convert alike."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "whole numbers"
    FLOAT = "numbers"
    DECIMAL = "decimal numbers"
    DATE = "dates"
    TIME = "times of day"
    TIMESTAMP = "timestamps"
    FINE_TIME = "times of day in nanoseconds"
    FINE_TIMESTAMP = "timestamps in nanoseconds"
    TIMESTAMP_UTC = "timestamps with a time zone"
    OPAQUE = "values that cannot be compared"


_FAMILIES = {
    "string": Family.TEXT, "large_string": Family.TEXT, "string_view": Family.TEXT, "bool": Family.BOOLEAN,
    "int8": Family.INTEGER, "int16": Family.INTEGER, "int32": Family.INTEGER, "int64": Family.INTEGER,
    "uint8": Family.INTEGER, "uint16": Family.INTEGER, "uint32": Family.INTEGER, "uint64": Family.INTEGER,
    "float": Family.FLOAT, "double": Family.FLOAT, "date32[day]": Family.DATE,
}  # fmt: skip


_EQUAL = {"null", "binary", "large_binary", "halffloat"}
"""Types of no family whose values are equal or not on every engine."""


def has_equality(column: Column) -> bool:
    """Whether every engine can tell which values are equal. Of a list or a record, one that puts it aside cannot."""
    return family(column) is not Family.OPAQUE or column.type in _EQUAL or column.type.startswith(("timestamp[", "duration["))


def family(column: Column) -> Family:
    """The family of a column's type."""
    if column.type.startswith("timestamp["):
        fine, zoned = column.type.startswith("timestamp[ns"), "tz=" in column.type
        if fine:
            # No engine has nanoseconds with a time zone: they are carried through, not compared.
            return Family.OPAQUE if zoned else Family.FINE_TIMESTAMP
        return Family.TIMESTAMP_UTC if zoned else Family.TIMESTAMP
    if column.type.startswith(("time32[", "time64[")):
        return Family.FINE_TIME if column.type == "time64[ns]" else Family.TIME
    if column.type.startswith("decimal"):
        return Family.DECIMAL
    return _FAMILIES.get(column.type, Family.OPAQUE)
