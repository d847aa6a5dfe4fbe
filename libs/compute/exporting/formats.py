"""The formats that a dataset can be exported to, and how each holds the values of a column.

A value that a format has no type for is written in the nearest form that loses nothing, mostly as text. Where that is not
possible, the features that lose something are counted. Both are told. What stands here was found by reading exported files back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto

import pyarrow as pa

from libs.models import Rejected


class Kind(StrEnum):
    """What is in a column, as far as it matters here."""

    BOOLEAN = auto()
    INTEGER = auto()
    LONG = auto()
    """64 bits."""
    UNSIGNED_LONG = auto()
    FLOAT = auto()
    DECIMAL = auto()
    """No more digits than a double keeps."""
    LONG_DECIMAL = auto()
    TEXT = auto()
    BINARY = auto()
    DATE = auto()
    TIME = auto()
    TIMESTAMP = auto()
    """Without a time zone."""
    TIMESTAMP_UTC = auto()
    FINE_TIMESTAMP = auto()
    """Nanoseconds, without a time zone."""
    NESTED = auto()
    NOTHING = auto()
    """Only missing values."""


@dataclass(frozen=True)
class Conversion:
    """How a column is written.

    Attributes:
        sql: The value; ``{c}`` stands for the column.
        told: What is said of it, after "is written"; empty where the value stays what it is.
        lost: Whether a feature's value changes by it; ``{c}`` as above. Empty where none does.
        losing: What happens to such values, after "values".
    """

    sql: str = "{c}"
    told: str = ""
    lost: str = ""
    losing: str = ""


_ISO = "strftime({c}, '%Y-%m-%dT%H:%M:%S.%f')"
AS_IT_IS = Conversion()
AS_TEXT = Conversion("CAST({c} AS VARCHAR)", "as text")
AS_BASE64 = Conversion("base64({c})", "as text (Base64)")
AS_JSON = Conversion("CAST(to_json({c}) AS VARCHAR)", "as text (JSON)")
AS_DOUBLE = Conversion("CAST({c} AS DOUBLE)", "as a floating-point number")
AS_NUMBER = Conversion("CAST({c} AS INTEGER)", "as 1 or 0")
AS_ISO = Conversion(_ISO, "as text (ISO 8601)")
AS_ISO_UTC = Conversion(f"{_ISO} || 'Z'", "as text (ISO 8601, UTC)")
_MILLISECONDS = {"lost": "epoch_us({c}) % 1000 <> 0", "losing": "are rounded to milliseconds"}
MILLISECONDS = Conversion(**_MILLISECONDS)
_WITHOUT_ZONE = Conversion("{c}", "with the time zone UTC, as the format has no times without one", **_MILLISECONDS)
_NO_NAN = Conversion("{c}", "", "isnan({c})", "are not numbers (NaN) and become missing values")

_FEW_TYPES = {
    Kind.DATE: Conversion("CAST({c} AS VARCHAR)", "as text (ISO 8601), as the writer damages dates before 1970"),
    Kind.UNSIGNED_LONG: AS_TEXT, Kind.DECIMAL: AS_DOUBLE, Kind.LONG_DECIMAL: AS_TEXT, Kind.TIME: AS_TEXT,
    Kind.FINE_TIMESTAMP: AS_TEXT, Kind.NESTED: AS_JSON,
}  # fmt: skip
_UP_TO_NUL = Conversion("{c}", "", "contains({c}, chr(0))", "have a NUL character and end before it")
_GEOPACKAGE = _FEW_TYPES | {
    Kind.TEXT: _UP_TO_NUL, Kind.FLOAT: _NO_NAN, Kind.TIMESTAMP: _WITHOUT_ZONE, Kind.TIMESTAMP_UTC: MILLISECONDS,
}  # fmt: skip
_FLATGEOBUF = _FEW_TYPES | {Kind.TEXT: _UP_TO_NUL, Kind.TIMESTAMP: MILLISECONDS, Kind.TIMESTAMP_UTC: MILLISECONDS
}  # fmt: skip
_SHAPEFILE = _FEW_TYPES | {
    Kind.BOOLEAN: AS_NUMBER,
    Kind.LONG: Conversion(
        "CASE WHEN abs({c}::HUGEINT) < 1000000000000000000 THEN {c} END", "", "abs({c}::HUGEINT) >= 1000000000000000000",
        "have more than 18 digits and become missing values",
    ),
    Kind.FLOAT: Conversion(
        "CASE WHEN isfinite({c}) THEN {c} END", "",
        "NOT isfinite({c}) OR abs({c}) >= 1e15 OR CAST(printf('%.15f', {c}::DOUBLE) AS DOUBLE) <> {c}::DOUBLE",
        "are rounded to 15 decimals or digits, or are no numbers (NaN, infinite) and become missing values",
    ),
    Kind.TEXT: Conversion(
        "{c}", "", "strlen({c}) > 254 OR contains({c}, chr(0)) OR {c} <> trim({c}) OR {c} = ''",
        "are cut at 254 bytes or at a NUL character, or lose blanks at their ends, or are empty and become missing values",
    ),
    Kind.BINARY: AS_BASE64, Kind.TIMESTAMP: AS_ISO, Kind.TIMESTAMP_UTC: AS_ISO_UTC,
}  # fmt: skip
_GEOJSON = {
    Kind.FLOAT: Conversion(
        "CASE WHEN isfinite({c}) THEN {c} END", "", "NOT isfinite({c})",
        "are no numbers (NaN, infinite) and become missing values",
    ),
    Kind.BINARY: AS_BASE64, Kind.DATE: AS_TEXT, Kind.TIME: AS_TEXT, Kind.TIMESTAMP: AS_ISO, Kind.TIMESTAMP_UTC: AS_ISO_UTC,
    Kind.FINE_TIMESTAMP: AS_TEXT,
}  # fmt: skip
_PLAIN_TEXT = {
    Kind.BINARY: AS_BASE64, Kind.NESTED: AS_JSON, Kind.TIMESTAMP: AS_ISO, Kind.TIMESTAMP_UTC: AS_ISO_UTC,
}  # fmt: skip
_KML = (
    {kind: AS_TEXT for kind in Kind if kind not in {Kind.INTEGER, Kind.NOTHING}}
    | _PLAIN_TEXT
    | {
        Kind.TEXT: Conversion(
            "{c}",
            "",
            r"regexp_matches({c}, '[\x00-\x08\x0B-\x1F]') OR {c} <> trim({c}) OR {c} = ''",
            "lose control characters or blanks at their ends, end before a NUL, or are empty and become missing values",
        )
    }
)


@dataclass(frozen=True, eq=False)
class Export:
    """A format.

    Attributes:
        suffix: What the names of its files end in.
        name: For people.
        driver: GDAL's name; None for what is written without GDAL.
        lon_lat: Its coordinates are longitude and latitude on WGS 84, whatever else a file might say.
        holds_crs: A file says which CRS it has.
        holds_tables: It can do without a geometry.
        name_bytes: How long the name of a column may be; None for any length.
        conversions: By kind of column; others are written as they are.
    """

    suffix: str
    name: str
    driver: str | None = None
    lon_lat: bool = False
    holds_crs: bool = True
    holds_tables: bool = False
    name_bytes: int | None = None
    conversions: Mapping[Kind, Conversion] = field(default_factory=dict)


PARQUET = Export(".parquet", "GeoParquet", holds_tables=True)
GEOPACKAGE = Export(".gpkg", "GeoPackage", "GPKG", holds_tables=True, conversions=_GEOPACKAGE)
FLATGEOBUF = Export(".fgb", "FlatGeobuf", "FlatGeobuf", conversions=_FLATGEOBUF)
GEOJSON = Export(".geojson", "GeoJSON", lon_lat=True, holds_crs=False, conversions=_GEOJSON)
SHAPEFILE = Export(".shp.zip", "Shapefile", "ESRI Shapefile", name_bytes=10, conversions=_SHAPEFILE)
CSV = Export(".csv", "CSV", holds_crs=False, holds_tables=True, conversions=_PLAIN_TEXT)
KML = Export(".kml", "KML", "KML", lon_lat=True, holds_crs=False, conversions=_KML)

EXPORTS = (GEOPACKAGE, FLATGEOBUF, GEOJSON, SHAPEFILE, CSV, KML, PARQUET)


def export_of(name: str) -> Export:
    """The format that the name of a file asks for.

    Raises:
        Rejected: ``export_format_unknown``.
    """
    found = next((export for export in EXPORTS if name.lower().endswith(export.suffix)), None)
    if found is None:
        endings = ", ".join(export.suffix for export in EXPORTS)
        raise Rejected.because("export_format_unknown", name, "The name does not say a format that can be written.",
                               f"Let it end in one of {endings}.")  # fmt: skip
    return found


_DOUBLE_DIGITS = 15
_KINDS = (
    (pa.types.is_boolean, Kind.BOOLEAN),
    (pa.types.is_uint64, Kind.UNSIGNED_LONG),
    (pa.types.is_int64, Kind.LONG),
    (pa.types.is_integer, Kind.INTEGER),
    (pa.types.is_floating, Kind.FLOAT),
    (pa.types.is_date, Kind.DATE),
    (pa.types.is_time, Kind.TIME),
    (pa.types.is_null, Kind.NOTHING),
    (pa.types.is_nested, Kind.NESTED),
)


def kind_of(type_: pa.DataType) -> Kind | None:  # noqa: PLR0911 - one for each kind
    """What is in a column of this type; None where DuckDB would change its values when it reads them."""
    if pa.types.is_dictionary(type_):
        return kind_of(type_.value_type)
    if pa.types.is_decimal128(type_):
        return Kind.DECIMAL if type_.precision <= _DOUBLE_DIGITS else Kind.LONG_DECIMAL
    if pa.types.is_timestamp(type_):
        if type_.unit == "ns":
            return None if type_.tz else Kind.FINE_TIMESTAMP
        return Kind.TIMESTAMP_UTC if type_.tz else Kind.TIMESTAMP
    if pa.types.is_time64(type_) and type_.unit == "ns":
        return None
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return Kind.TEXT
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_):
        return Kind.BINARY
    return next((kind for is_it, kind in _KINDS if is_it(type_)), None)
