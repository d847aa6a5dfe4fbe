"""Attributes of Esri JSON: columns of the types that the feature set declares, as far as the values are of them.

Rules: ArcGIS REST API, "Field". Dates are milliseconds from 1970 in UTC, unless the feature set says that their zone is unknown.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from libs.spatial_utils.worker.protocol import COLUMN_NOTES, Notes, Unreadable
from libs.spatial_utils.worker.values.json_values import Lose, LostIntegers, inferred, texts

_INTEGERS = {
    "esriFieldTypeSmallInteger": (pa.int16(), pa.int32(), pa.int64()),
    "esriFieldTypeInteger": (pa.int32(), pa.int64()),
    "esriFieldTypeOID": (pa.int64(),),
    "esriFieldTypeBigInteger": (pa.int64(),),
}
"""The types that may take the values: the first that takes all of them does, since servers declare too narrow ones."""
_REALS = {"esriFieldTypeSingle": pa.float32(), "esriFieldTypeDouble": pa.float64()}
_LARGEST_SINGLE = 3.4028234663852886e38
_TEXTS = frozenset(f"esriFieldType{kind}" for kind in ("String", "GUID", "GlobalID", "XML", "TimeOnly", "Blob", "Raster"))
_DATES = range(-62_135_596_800_000, 253_402_300_800_000)
"""The years 1 to 9999, in milliseconds from 1970."""


def columns_of(
    document: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], notes: Notes, place: str, lost: LostIntegers
) -> list[tuple[pa.Field, pa.Array]]:
    """The columns: those that are declared, in their order, then further attributes.

    Args:
        document: The feature set.
        rows: The attributes of its features.
        notes: Takes warnings.
        place: For them.
        lost: Takes integers that their columns do not keep.
    """
    declared = {field["name"]: field for field in _declared(document)}
    names = dict.fromkeys([*declared, *(name for row in rows for name in row)])
    aliases = document.get("fieldAliases")
    titles = aliases if isinstance(aliases, dict) else {}
    zone = None if document.get("datesInUnknownTimezone") is True else "UTC"
    made = []
    for name in names:
        field = {"alias": titles.get(name)} | declared.get(name, {})
        values = [row.get(name) for row in rows]
        said = field.get("type")
        column = _declared_column(values, said, zone, name, lost.of(name))
        if column is None:
            column = inferred(values, name, place, lost.of(name))
            if said in {*_INTEGERS, *_REALS, "esriFieldTypeDate", "esriFieldTypeDateOnly"}:
                notes.warn(
                    "field_type_differs",
                    f"The column {name!r} is declared as {said}, but not all of its values are. It is read as {column.type}.",
                    "Correct the values or the declaration, if it should be of that type.",
                    place,
                )
        made.append((pa.field(name, column.type, metadata=_notes(name, field, column.type)), column))
    return made


def _declared(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    fields = document.get("fields") or []
    if not isinstance(fields, list) or not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in fields):
        raise Unreadable(
            "damaged", "The member 'fields' is no list of fields with names.", "Correct it, or leave it out.", "member fields"
        )
    return fields


def _declared_column(values: list[Any], kind: Any, zone: str | None, name: str, lose: Lose) -> pa.Array | None:
    """The values as the declared type; None where they are not of it, or it is not known."""
    if kind in _TEXTS:
        return texts(values, name)
    if kind in _INTEGERS:
        return _integers(values, _INTEGERS[kind])
    if kind in _REALS:
        return _reals(values, _REALS[kind], name, lose)
    if kind == "esriFieldTypeDate":
        whole = _integers(values, (pa.int64(),))
        if whole is None or any(number not in _DATES for number in whole.drop_null().to_pylist()):
            return None
        return whole.cast(pa.timestamp("ms", zone))
    return _days(values) if kind == "esriFieldTypeDateOnly" else None


def _integers(values: list[Any], types: Sequence[pa.DataType]) -> pa.Array | None:
    whole = [_whole(value) for value in values]
    if any(number is None and value is not None for number, value in zip(whole, values, strict=True)):
        return None
    return _first_that_takes(whole, types)


def _reals(values: list[Any], kind: pa.DataType, name: str, lose: Lose) -> pa.Array | None:
    if any(type(value) not in {int, float, type(None)} for value in values):
        return None
    wide = inferred([*values, 0.5], name, "", lose).slice(0, len(values))  # among fractions: doubles
    large = kind == pa.float32() and any(abs(value) > _LARGEST_SINGLE for value in wide.drop_null().to_pylist())
    return wide if large else wide.cast(kind)


def _days(values: list[Any]) -> pa.Array | None:
    if any(type(value) not in {str, type(None)} for value in values):
        return None
    try:
        return pa.array(values, pa.string()).cast(pa.date32())
    except pa.ArrowInvalid:
        return None


def _whole(value: Any) -> int | None:
    """An integer, however it is spelled; None for anything else."""
    if type(value) is float and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    return value if type(value) is int else None


def _first_that_takes(values: list[int | None], types: Sequence[pa.DataType]) -> pa.Array | None:
    for kind in types:
        try:
            return pa.array(values, kind)
        except (pa.ArrowInvalid, OverflowError):
            continue
    return None


def _notes(name: str, field: Mapping[str, Any], kind: pa.DataType) -> dict[bytes, bytes] | None:
    """What the feature set says of a column besides its type: its alias and its domain."""
    known: dict[str, Any] = {}
    title, description, domain = field.get("alias"), field.get("description"), field.get("domain")
    if isinstance(title, str) and title and title != name:
        known["title"] = title
    if isinstance(description, str) and description:
        known["description"] = description
    if isinstance(domain, dict) and (found := _domain(domain, kind)):
        known["domain"] = found
    return {COLUMN_NOTES: json.dumps(known, ensure_ascii=False).encode()} if known else None


def _domain(domain: Mapping[str, Any], kind: pa.DataType) -> dict[str, Any]:
    name = domain.get("name")
    found: dict[str, Any] = {"name": name if isinstance(name, str) and name else "domain"}
    coded, bounds = domain.get("codedValues"), domain.get("range") or [domain.get("minValue"), domain.get("maxValue")]
    if isinstance(coded, list):
        pairs = [(each.get("code"), each.get("name")) for each in coded if isinstance(each, dict)]
        values = [
            {"value": code, **({"label": label} if isinstance(label, str) else {})}
            for code, label in pairs
            if type(code) in {int, float, str}
        ]
        return found | {"values": values}
    if isinstance(bounds, list) and len(bounds) == 2 and not pa.types.is_temporal(kind):  # noqa: PLR2004 - least and greatest
        found |= {side: bound for side, bound in zip(("min", "max"), bounds, strict=True) if type(bound) in {int, float}}
        return found if len(found) > 1 else {}
    return {}
