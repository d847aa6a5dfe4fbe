"""The kinds of objects of the BAG and their columns, under the names that GDAL's reader gives them.

Rules: Kadaster, "BAG 2.0 Extract", schema ``imbag`` of 2020-06-01 (``v20200601``).
"""

from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

_MOMENT = pa.timestamp("us")
_TEXTS = pa.list_(pa.string())
MAIN_ADDRESS, FURTHER_ADDRESSES = "hoofdadresNummeraanduidingRef", "nevenadresNummeraanduidingRef"
_ADDRESSES = {MAIN_ADDRESS: pa.string(), FURTHER_ADDRESSES: _TEXTS}
_OF_ALL = {
    "identificatie": pa.string(), "status": pa.string(), "geconstateerd": pa.bool_(), "documentDatum": pa.date32(),
    "documentNummer": pa.string(), "voorkomenIdentificatie": pa.int32(), "beginGeldigheid": pa.date32(),
    "eindGeldigheid": pa.date32(), "tijdstipRegistratie": _MOMENT, "eindRegistratie": _MOMENT, "tijdstipInactief": _MOMENT,
    "tijdstipRegistratieLV": _MOMENT, "tijdstipEindRegistratieLV": _MOMENT, "tijdstipInactiefLV": _MOMENT,
    "tijdstipNietBagLV": _MOMENT,
}  # fmt: skip
_BOOLEANS = {"J": True, "N": False}
_INT32 = 1 << 31


@dataclass(frozen=True)
class Kind:
    """A kind of objects.

    Attributes:
        layer: Its name, as GDAL gives it.
        element: Name of its elements.
        geometry: Whether it has geometry.
        columns: Its columns with their types, in order.
    """

    layer: str
    element: str
    geometry: bool
    columns: dict[str, pa.DataType]


def _kind(element: str, columns: dict[str, pa.DataType], *, geometry: bool = True) -> Kind:
    return Kind(element.capitalize(), element, geometry, columns | _OF_ALL)


KINDS = {
    "PND": _kind("Pand", {"oorspronkelijkBouwjaar": pa.int32()}),
    "VBO": _kind(
        "Verblijfsobject", {"gebruiksdoel": _TEXTS, "oppervlakte": pa.int32(), **_ADDRESSES, "pandRef": _TEXTS},
    ),
    "NUM": _kind(
        "Nummeraanduiding",
        {
            "huisnummer": pa.int32(), "huisletter": pa.string(), "huisnummerToevoeging": pa.string(), "postcode": pa.string(),
            "typeAdresseerbaarObject": pa.string(), "openbareruimteRef": pa.string(), "woonplaatsRef": pa.string(),
        },
        geometry=False,
    ),
    "OPR": _kind(
        "OpenbareRuimte",
        {"naam": pa.string(), "type": pa.string(), "woonplaatsRef": pa.string(), "verkorteNaam": pa.string()},
        geometry=False,
    ),
    "LIG": _kind("Ligplaats", _ADDRESSES),
    "STA": _kind("Standplaats", _ADDRESSES),
    "WPL": _kind("Woonplaats", {"naam": pa.string()}),
}  # fmt: skip
"""By the name that a file gives for what it holds (``objectType``)."""


def value_of(text: str, type_: pa.DataType) -> object:
    """A value out of its text; ``ValueError`` where it is none of its type."""
    if type_ == pa.int32():
        number = int(text)
        if not -_INT32 <= number < _INT32 or not text.isascii() or "_" in text:
            raise ValueError(text)
        return number
    if type_ == pa.bool_():
        if text not in _BOOLEANS:
            raise ValueError(text)
        return _BOOLEANS[text]
    if type_ == pa.date32():
        return date.fromisoformat(text)
    if type_ == _MOMENT:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None or (len(text.rpartition(".")[2]) > len("123456") and "." in text):
            raise ValueError(text)
        return moment
    return text
