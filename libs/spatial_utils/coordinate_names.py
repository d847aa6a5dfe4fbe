"""Names that people give to columns with coordinates, in the languages of Europe. For both sides of reading."""

import re
import unicodedata
from collections.abc import Sequence

_PAIRS = (
    # longitude and latitude
    ("lon", "lat"), ("long", "lat"), ("lng", "lat"), ("longitude", "latitude"), ("geolon", "geolat"), ("gpslon", "gpslat"),
    ("longitud", "latitud"), ("longitudine", "latitudine"), ("laenge", "breite"), ("lange", "breite"),
    ("laengengrad", "breitengrad"), ("langengrad", "breitengrad"), ("geolaenge", "geobreite"), ("geolange", "geobreite"),
    ("lengtegraad", "breedtegraad"), ("lengte", "breedte"), ("laengdegrad", "breddegrad"), ("langdegrad", "breddegrad"),
    ("longitud", "latitud"), ("lengdegrad", "breddegrad"), ("pituusaste", "leveysaste"), ("pikkuskraad", "laiuskraad"),
    ("dlugosc", "szerokosc"), ("dlugoscgeograficzna", "szerokoscgeograficzna"), ("delka", "sirka"),
    ("zemepisnadelka", "zemepisnasirka"), ("zemepisnadlzka", "zemepisnasirka"), ("dolzina", "sirina"),
    ("geografskadolzina", "geografskasirina"), ("geografskaduzina", "geografskasirina"), ("hosszusag", "szelesseg"),
    ("foldrajzihosszusag", "foldrajziszelesseg"), ("ilguma", "platuma"), ("garums", "platums"), ("boylam", "enlem"),
    ("γεωγραφικομηκος", "γεωγραφικοπλατος"), ("μηκος", "πλατος"), ("долгота", "широта"), ("довгота", "широта"),
    ("дължина", "ширина"),
    # eastings and northings
    ("x", "y"), ("xcoord", "ycoord"), ("coordx", "coordy"), ("xcoordinate", "ycoordinate"), ("xkoordinate", "ykoordinate"),
    ("koordx", "koordy"), ("xkoord", "ykoord"), ("xwert", "ywert"), ("pointx", "pointy"), ("posx", "posy"), ("utmx", "utmy"),
    ("utme", "utmn"), ("rechtswert", "hochwert"), ("ostwert", "nordwert"), ("easting", "northing"), ("east", "north"),
    ("este", "norte"), ("est", "nord"), ("ost", "nord"), ("oost", "noord"), ("e", "n"), ("coordonneex", "coordonneey"),
    ("coordenadax", "coordenaday"), ("coordinatax", "coordinatay"), ("itakoordinaatti", "pohjoiskoordinaatti"),
)  # fmt: skip
_GEOMETRY = ("wkt", "geometry", "geom", "thegeom", "wkbgeometry", "wkb", "ewkt", "shape", "geometrie", "geometria", "geojson")
_WITHIN = (("longitude", "latitude"), ("lon", "lat"), ("lng", "lat"), ("easting", "northing"))
"""Pairs that count as well as a part of a name: ``stop_lon``, ``decimalLongitude``."""
_WORD = re.compile(r"[^\W\d_]+?(?=[A-Z])|[^\W\d_]+")


def coordinate_columns(header: Sequence[str]) -> tuple[str, str] | None:
    """The columns of a table that by their names hold x and y; None when none, or more than two, look like it."""
    plain = [_plain(name) for name in header]
    for x, y in _PAIRS:
        if plain.count(x) == 1 and plain.count(y) == 1:
            return header[plain.index(x)], header[plain.index(y)]
    words = [{_plain(word) for word in _WORD.findall(name)} for name in header]
    for x, y in _WITHIN:
        with_x, with_y = ([at for at, found in enumerate(words) if word in found] for word in (x, y))
        if len(with_x) == len(with_y) == 1:
            return header[with_x[0]], header[with_y[0]]
    return None


def geometry_column(header: Sequence[str]) -> str | None:
    """The column of a table that by its name holds a geometry as text; None when there is no such column."""
    plain = [_plain(name) for name in header]
    return next((header[plain.index(name)] for name in _GEOMETRY if plain.count(name) == 1), None)


def _plain(name: str) -> str:
    """A name without case, accents, blanks and signs."""
    letters = unicodedata.normalize("NFKD", name.casefold().replace("ł", "l"))
    return "".join(letter for letter in letters if letter.isalnum() and not unicodedata.combining(letter))
