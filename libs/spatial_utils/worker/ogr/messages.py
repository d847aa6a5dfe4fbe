"""What GDAL's complaints mean: damage, a wrong encoding, or something that an uploader may merely want to know.

What GDAL passes over, it says in its messages only. No upstream issue is known (GDAL 3.12.4).
"""

import re
from collections.abc import Iterable

from libs.spatial_utils.worker.ogr.gdal import FAILURE
from libs.spatial_utils.worker.protocol import Notes, Unreadable

_HARMLESS = re.compile(
    r"Invalid coord dimension for '\[ \]'"  # an empty point: RFC 7946 lets it be read as a missing geometry
    r"|Cannot import http://www\.opengis\.net/gml/srs/epsg\.xml#\d+ due to"  # GDAL knows the code without fetching anything
    r"|Retrying with IMMUTABLE=YES"  # a GeoPackage in WAL mode whose log is empty: nothing is missing
    r"|CRS EPSG:\d{6} is deprecated"  # ESRI's, as was said before
    r"|Several features with id"  # ids are a column of their own, whatever GDAL makes of them
    r"|Integer values probably ranging out of 64bit integer range"  # looked at by ourselves
)
_ENCODING = re.compile(r"couldn't be converted|Recode from .* not supported|invalid UTF-?8|not .*UTF-?8", re.IGNORECASE)
_CRS = re.compile(
    r"^PROJ|^missing \[|crs not found|EPSG PCS/GCS code .* not found|Unrecognized CRS|unsupported CRS", re.IGNORECASE
)
_OF_ESRI = re.compile(r"(EPSG:\d+) is not a valid CRS code, but (ESRI:\d+) is")
_REMOTE = re.compile(
    r"ALLOW_NETWORK_ACCESS|Could not resolve host|HTTP error|\bcurl\b|Failed to connect|Could not connect", re.IGNORECASE
)
_LOSS = re.compile(
    r"invalid content|parsed incompletely|out of range|overflow|truncat|corrupt|not a valid|is not a|cannot be parsed",
    re.IGNORECASE,
)


_VERDICTS: tuple[tuple[re.Pattern[str], str, str, str], ...] = (
    # what GDAL says, whatever severity it gives it; code, message and remedy
    (
        re.compile("geometry column '.*' of type '.*' ignored|has multiple geometry fields"),
        "column_not_read",
        "A GeoPackage has one geometry column a table, and no types but its own, so that a column would be lost: {}.",
        "Give the column a type of GeoPackage's (TEXT, INTEGER, REAL, BLOB, DATE, DATETIME, BOOLEAN), or take it out.",
    ),
    (
        _CRS,
        "unknown_crs",
        "The file names a CRS that is not known here: {}.",
        "Correct it in the file; or remove it there and give 'crs' in the manifest.",
    ),
    (
        _REMOTE,
        "remote_reference",
        "The file refers to something on the network, which is never fetched: {}.",
        "Put what it refers to into the file itself.",
    ),
    (
        _ENCODING,
        "wrong_encoding",
        "Text cannot be decoded: {}.",
        "Set 'encoding' of this file in the manifest, such as 'cp1252' or 'UTF-8'.",
    ),
)
_NOTES: tuple[tuple[re.Pattern[str], str, str, str], ...] = (
    (
        re.compile(r"(?:Ignoring one or more of entity|ignoring all) '(.*)'"),
        "entities_not_read",
        "Entities of the type {} were not read: they have no counterpart here.",
        "Convert them to lines, polygons or points in the program that made the file, if they are wanted.",
    ),
    (re.compile("(.*)", re.DOTALL), "gdal_warning", "GDAL reports: {}.", "Check whether the data is as you expect it."),
)


def classify(complaints: Iterable[tuple[int, str]], notes: Notes, place: str, *, opening: bool = False) -> None:
    """Turn what GDAL said into a verdict or into warnings.

    Args:
        complaints: Severity and message, in order.
        notes: Takes the warnings.
        place: Within the file.
        opening: Whether the file could not be opened: then the message is the reason, whatever its severity.

    Raises:
        Unreadable: when something was lost, or may have been.
    """
    for severity, message in complaints:
        said = message.rstrip(".")
        if _HARMLESS.search(message) or (opening and "not recognized" in message):  # said better by who tried to open it
            continue
        if match := _OF_ESRI.search(message):
            epsg, esri = match.groups()
            text = f"{epsg!r} is not a code of EPSG but of ESRI; it was read as {esri}."
            notes.warn("crs_code_not_epsg", text, f"Write {esri}, if that is what it is.", place)
            continue
        for pattern, code, text, remedy in _VERDICTS:
            if pattern.search(message):
                raise Unreadable(code, text.format(said), remedy, place)
        if severity >= FAILURE or opening:
            raise Unreadable(
                "damaged",
                f"GDAL reports: {said}.",
                "Check the file with the program that made it, and write or upload it again.",
                place,
            )
        if _LOSS.search(message):
            raise Unreadable(
                "value_lost",
                f"GDAL cannot read a value as it is: {said}.",
                "Correct the value, or write the column as text.",
                place,
            )
        for pattern, code, text, remedy in _NOTES:
            if match := pattern.search(said):
                notes.warn(code, text.format(match[1]), remedy, place)
                break
