"""What a file says of a column besides its type: a title, a description, and the domain of its values.

Values stay as they are, codes stay codes. What they mean goes with the field, as JSON (``libs.models.ColumnNotes``) in its
metadata.
"""

import ctypes
import json
import math
from itertools import takewhile
from typing import Any

import pyarrow as pa

from libs.spatial_utils.worker.ogr.gdal import DATE, INTEGER, INTEGER64, REAL, Bound, CodedValue, Gdal
from libs.spatial_utils.worker.protocol import COLUMN_NOTES, Notes

_CODED, _GLOB = 0, 2
"""OGRFieldDomainType; what is neither is a range."""


def column_notes(gdal: Gdal, dataset: int, field: int, kind: pa.DataType, notes: Notes, place: str) -> dict[bytes, bytes] | None:
    """What is known of a column, as metadata of its field; None when nothing is.

    Args:
        gdal: The library.
        dataset: It holds the domains.
        field: The column's definition.
        kind: Type of the column's values.
        notes: Takes a warning when a domain cannot be read.
        place: For the warning.
    """
    name = _text(gdal.OGR_Fld_GetNameRef(field))
    known: dict[str, Any] = {}
    if (title := _text(gdal.OGR_Fld_GetAlternativeNameRef(field))) and title != name:
        known["title"] = title
    if comment := _text(gdal.OGR_Fld_GetComment(field)):
        known["description"] = comment
    if domain := _text(gdal.OGR_Fld_GetDomainName(field)):
        with gdal.overhearing() as heard:
            handle = gdal.GDALDatasetGetFieldDomain(dataset, domain.encode())
            known["domain"] = {"name": domain, **(_domain(gdal, handle, kind) if handle else {})}
        if heard or not handle:
            said = "; ".join(message.rstrip(".") for _, message in heard) or "it is not in the file"
            notes.warn(
                "domain_not_read",
                f"The values of the column {name!r} are those of the domain {domain!r}, which cannot be read: {said}.",
                "Correct the domain in the program that made the file, if the meaning of the values is wanted.",
                place,
            )
    return {COLUMN_NOTES: json.dumps(known, ensure_ascii=False).encode()} if known else None


def tell_of_codes(schema: pa.Schema, notes: Notes, place: str) -> None:
    """Note which columns hold codes, and where their meanings are."""
    domains = {field.name: _domain_of(field) for field in schema}
    coded = [f"{name!r} ({domain['name']})" for name, domain in domains.items() if domain and domain.get("values")]
    if coded:
        notes.warn(
            "coded_values",
            f"These columns hold codes of a domain (in brackets): {', '.join(coded)}. The codes are kept as they are; the labels "
            "are in the metadata of the lake file.",
            "Read the labels from the file's metadata, key 'spatial_etl:columns' (JSON).",
            place,
        )


def _domain_of(field: pa.Field) -> Any:
    stored = (field.metadata or {}).get(COLUMN_NOTES)
    return json.loads(stored).get("domain") if stored else None


def _domain(gdal: Gdal, handle: int, kind: pa.DataType) -> dict[str, Any]:
    """The domain, without its name."""
    description, type_ = _text(gdal.OGR_FldDomain_GetDescription(handle)), gdal.OGR_FldDomain_GetDomainType(handle)
    domain: dict[str, Any] = {"description": description} if description else {}
    if type_ == _CODED:
        return domain | {"values": [_coded(each, kind) for each in takewhile(_is_code, _enumeration(gdal, handle))]}
    if type_ == _GLOB:
        return domain | {"pattern": _text(gdal.OGR_GlobFldDomain_GetGlob(handle))}
    field_type = gdal.OGR_FldDomain_GetFieldType(handle)
    for side, bound_of in (("min", gdal.OGR_RangeFldDomain_GetMin), ("max", gdal.OGR_RangeFldDomain_GetMax)):
        is_included = (ctypes.c_bool * 1)()
        bound = bound_of(handle, is_included)
        value = _bound(bound.contents, field_type) if bound else None
        if value is not None:
            domain |= {side: value, **({} if is_included[0] else {f"{side}_excluded": True})}
    return domain


def _enumeration(gdal: Gdal, handle: int) -> Any:
    return gdal.OGR_CodedFldDomain_GetEnumeration(handle) or ()


def _is_code(coded: CodedValue) -> bool:
    return coded.code is not None


def _coded(coded: CodedValue, kind: pa.DataType) -> dict[str, Any]:
    return {"value": _value(_text(coded.code), kind), **({} if coded.label is None else {"label": _text(coded.label)})}


def _value(code: str, kind: pa.DataType) -> int | float | str:
    """A code as the column holds it."""
    try:
        if pa.types.is_integer(kind):
            return int(code)
        if pa.types.is_floating(kind):
            return float(code)
    except ValueError:  # a code that no value can have
        pass
    return code


def _bound(bound: Bound, type_: int) -> int | float | str | None:
    """A bound of a range; None when it bounds nothing."""
    if type_ == INTEGER:
        return int(bound.integer)
    if type_ == INTEGER64:
        return int(bound.integer64)
    if type_ == REAL:
        return float(bound.real) if math.isfinite(bound.real) else None
    moment = bound.moment
    day = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    return day if type_ == DATE else f"{day}T{moment.hour:02}:{moment.minute:02}:{moment.second:06.3f}"


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
