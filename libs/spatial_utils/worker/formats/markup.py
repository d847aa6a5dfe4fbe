"""Texts in XML that GDAL and libkml change in silence: coordinates that are no numbers become 0, times are cut or lost.

Upstream: libkml/libkml#140 (coordinates that are not separated). No issue of GDAL is known (3.12.4).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.values.pieces import CHUNK_BYTES
from libs.spatial_utils.worker.values.times import date_that_exists

_UNREAD = re.compile(rb"<!--.*?-->|<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_BLANKED = bytes(byte if byte == ord("\n") else ord(" ") for byte in range(256))
_NAME = rb"(?:[\w.-]++:)?+"
_TAG_END = rb"(?:\s[^>]*)?(?<!/)>"
_SPACE = rb"(?:\s++|&#(?:x0*(?:20|[9aAdD])|0*(?:9|10|13|32));)"
_NUMBER = rb"[-+]?+(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][-+]?+[0-9]++)?+"
_COMMA = rb"\s*+,\s*+"
_TUPLE = _NUMBER + _COMMA + _NUMBER + rb"(?:" + _COMMA + _NUMBER + rb"(?:,(?=[\s<]))?+)?+"
_DAY = date_that_exists(rb"-")
_CLOCK = rb"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_TIME = _DAY + rb"(?:T" + _CLOCK + rb"(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:(?:00|15|30|45))?)?"
"""A date or a time of XML Schema in full, as GDAL reads it."""


@dataclass(frozen=True)
class LossRule:
    """A text that is not read as it stands: the last group of the pattern. ``warns``: the file is read none the less."""

    pattern: re.Pattern[bytes]
    code: str
    message: str
    remedy: str
    warns: bool = False


def _element(names: bytes) -> bytes:
    """The start of an element with a text that has one of some names, whatever its prefix and attributes."""
    return rb"<" + _NAME + rb"(?:" + names + rb")" + _TAG_END


def _list(item: bytes) -> bytes:
    """The start of a list of something, and what makes it none."""
    whole = rb"(?:" + item + rb"(?:" + _SPACE + rb"++" + item + rb")*+" + _SPACE + rb"*+)?+"
    return _SPACE + rb"*+" + whole + rb"(?!<)([^<]{1,40})"


def _coordinate(pattern: bytes) -> LossRule:
    return LossRule(
        re.compile(pattern),
        "bad_coordinate",
        "There is {!r} where a coordinate is expected.",
        "Write each as a number with a point, and as many for every position as the format demands.",
    )


def _time(elements: bytes) -> LossRule:
    return LossRule(
        re.compile(_element(elements) + rb"\s*+(?!" + _TIME + rb"\s*<|<)([^<]{1,40})"),
        "value_lost",
        "The time {!r} would not be read as it is.",
        "Write it in full, as 2024-05-01 or 2024-05-01T10:00:00Z, and as one that there is.",
    )


def _fine_time(elements: bytes) -> LossRule:
    return LossRule(
        re.compile(_element(elements) + rb"\s*+((?:" + _DAY + rb"T)?" + _CLOCK + rb"\.[0-9]{3}[0-9]*[1-9][^<]{0,10})"),
        "times_cut",
        "Times such as {!r} are cut to milliseconds.",
        "Use GeoPackage or GeoJSON, which keep them, where that matters.",
        warns=True,
    )


def _missing(elements: bytes, attribute: bytes) -> LossRule:
    return LossRule(
        re.compile(rb"<(" + elements + rb")(?=[\s/>])(?!(?:[^>\"']|\"[^\"]*\"|'[^']*')*?\s" + attribute + rb"\s*=)"),
        "bad_coordinate",
        "An element {!r} has no attribute '" + attribute.decode() + "': it would be passed over.",
        "Write where it is, or remove it.",
    )


def _no_time(elements: bytes) -> LossRule:
    """What looks like a date or a time in a column of such, and is none: GDAL makes another of it, or nothing."""
    looks = rb"(?=[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}:[0-9]{2})"
    clock = _CLOCK + rb"(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}(?::?(?:00|15|30|45))?)?"
    times = _DAY + rb"(?![0-9T])|" + _DAY + rb"T" + clock + rb"|" + clock
    return LossRule(
        re.compile(_element(elements) + rb"\s*+" + looks + rb"(?!(?:" + times + rb")\s*<)([^<]{1,40})"),
        "value_lost",
        "There is no such time as {!r}.",
        "Correct it.",
    )


def _no_number(names: bytes) -> LossRule:
    return LossRule(
        re.compile(rb"<" + _NAME + rb"SimpleData\s+name\s*=\s*[\"'](" + names + rb")[\"']\s*(?:/>|>\s*</)"),
        "empty_numbers",
        "Empty values, such as one of {!r}, are read as 0: its column is one of numbers.",
        "Leave the element out where there is no value.",
        warns=True,
    )


def _no_column(columns: Iterable[str]) -> LossRule:
    """A value of none of the columns that there are: a ``<Schema>`` of the document leaves it out."""
    # GDAL writes "_" for what it allows in no name
    known = b"|".join(re.escape(name.encode()).replace(b"_", rb"(?:&[#\w]++;|[^\"'&])") for name in sorted(columns))
    return LossRule(
        re.compile(rb"<" + _NAME + rb"(?:Simple(?:Array)?)?Data\s+name\s*=\s*([\"'])(?!(?i:" + known + rb")\1)([^\"']{1,80})"),
        "values_not_read",
        "Values named {!r}, and perhaps others, are not read: no <Schema> of the file declares them.",
        "Declare them as a <SimpleField>, or write all as <Data> without a <Schema>.",
        warns=True,
    )


_KML_TIMES, _GPX_TIMES = rb"when|begin|end", rb"time"
_GPX_POINTS = rb"wpt|trkpt|rtept"
_GML_LINE = rb"<" + _NAME + rb"\w*(?:Point|LineString|LinearRing|Segment|Arc\w*|Circle|Spline|Bezier|Geodesic\w*)" + _TAG_END
"""What positions stand in: a property of a feature may be called as they are."""
_GML_COORDINATES = rb"coordinates(?![^>]*\b(?:decimal\s*=\s*[\"'][^.]|cs\s*=\s*[\"'][^,]|ts\s*=\s*[\"']\S))"
_TRAPS: dict[str, Sequence[LossRule]] = {
    "LIBKML": (
        _coordinate(rb"<" + _NAME + rb"coordinates" + _TAG_END + _list(_TUPLE)),
        _coordinate(  # of a track, where an empty one is allowed, too, and becomes 0 0 0
            rb"<"
            + _NAME
            + rb"coord\b(?:[^>/]*+>(?!\s*+"
            + _NUMBER
            + rb"(?:\s++"
            + _NUMBER
            + rb"){1,2}+\s*<)|(?=\s*/>))([^<]{0,40})"
        ),
        _time(_KML_TIMES),
        _fine_time(_KML_TIMES),
        LossRule(
            re.compile(rb"<" + _NAME + rb"(ScreenOverlay|PhotoOverlay|Tour)[\s>/]"),
            "elements_not_read",
            "Elements such as {!r} were not read: they are not features.",
            "Nothing has to be done, unless the file should hold more features.",
            warns=True,
        ),
        LossRule(
            re.compile(rb"<(" + _NAME + rb"Model)[\s>]"),
            "geometry_lost",
            "The geometry of a feature is a three-dimensional model (<{}>), which cannot be kept.",
            "Remove it, or put a point in its place.",
        ),
        LossRule(
            re.compile(
                rb"<(?!"
                + _NAME
                + rb"(?:outer|inner)BoundaryIs|/"
                + _NAME
                + rb"LinearRing)[^>]*+>\s*+<("
                + _NAME
                + rb"LinearRing)[\s>]"
            ),
            "geometry_lost",
            "A ring (<{}>) stands by itself, which cannot be read.",
            "Write it as a LineString or a Polygon.",
        ),
        LossRule(
            re.compile(
                rb"<"
                + _NAME
                + rb"(name|description)>\s*+([^<]*?)\s*</(?:[^<]++|<(?!/?"
                + _NAME
                + rb"(?:Placemark|Folder|Document)\b))*?"
                rb"<" + _NAME + rb"Data\s+name\s*=\s*[\"'](?i:\1)[\"']\s*>\s*<" + _NAME + rb"value>(?!\s*\2\s*<)\s*([^<]{1,60})"
            ),
            "values_replaced",
            "A <Data> of the same name takes the place of a <name> or a <description>, such as {!r}.",
            "Name it otherwise, if both are wanted.",
            warns=True,
        ),
        LossRule(
            re.compile(
                rb"<" + _NAME + rb"Data\s+name\s*=\s*[\"'](?i:begin|end|timestamp)[\"']\s*>\s*<" + _NAME + rb"value>\s*+"
                rb"(?![0-9]{4}[-/][0-9]{2}[-/][0-9]{2}|<)([^<]{1,40})"
            ),
            "values_not_read",
            "A <Data> called like a time of KML is read as one: {!r} is none.",
            "Name it otherwise.",
            warns=True,
        ),
    ),
    "GML": (
        _coordinate(
            rb"(?:" + _GML_LINE + rb"|</" + _NAME + rb"pos>)\s*<" + _NAME + rb"(?:pos|posList)" + _TAG_END + _list(_NUMBER)
        ),
        _coordinate(
            _GML_LINE + rb"\s*<" + _NAME + _GML_COORDINATES + _TAG_END + _list(_NUMBER + rb"(?:," + _NUMBER + rb"){0,2}+")
        ),
        _coordinate(
            rb"<" + _NAME + rb"coord>(?:\s*<" + _NAME + rb"[XYZ]>\s*" + _NUMBER + rb"\s*</[^>]*>)*?\s*"
            rb"<" + _NAME + rb"[XYZ]>\s*+(?!" + _NUMBER + rb"\s*<)([^<]{0,40})"
        ),
        _fine_time(rb"[\w.-]+"),
    ),
    "GPX": (
        _missing(_GPX_POINTS, rb"lat"),
        _missing(_GPX_POINTS, rb"lon"),
        _coordinate(
            rb"<(?:" + _GPX_POINTS + rb")(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*?"
            rb"\s+(?:lat|lon)\s*=\s*[\"'](?!\s*" + _NUMBER + rb"\s*[\"'])([^\"']{0,40})"
        ),
        _time(_GPX_TIMES),
        _fine_time(_GPX_TIMES),
    ),
}
_TYPED_TRAPS: dict[str, tuple[Callable[[pa.DataType], bool], Callable[[bytes], LossRule]]] = {
    "GML": (pa.types.is_temporal, _no_time),
    "LIBKML": (lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind), _no_number),
}
_OF_EVERY_KML = frozenset({"tessellate", "extrude", "visibility", "drawOrder"})
"""Columns of numbers that every KML gets."""


def check(path: Path, driver: str, notes: Notes) -> None:
    """Look through a file for such texts.

    Raises:
        Unreadable: ``bad_coordinate``, ``geometry_lost`` or ``value_lost``, with the line.
    """
    _spring(path, _TRAPS.get(driver, ()), notes)


def check_columns(path: Path, driver: str, schemas: Iterable[pa.Schema], columns: Iterable[str], notes: Notes) -> None:
    """Look through a file for what the columns that were found in it cannot hold.

    Args:
        path: The file.
        driver: Of GDAL.
        schemas: Of the layers that are read.
        columns: Of all layers.
        notes: Takes warnings.

    Raises:
        Unreadable: ``value_lost``, with the line.
    """
    if driver not in _TYPED_TRAPS:
        return
    is_typed, trap = _TYPED_TRAPS[driver]
    names = {column.name for schema in schemas for column in schema if is_typed(column.type)} - _OF_EVERY_KML
    traps = [trap(b"|".join(re.escape(name.encode()) for name in sorted(names)))] if names else []
    if driver == "LIBKML":
        traps.append(_no_column(columns))
    _spring(path, traps, notes)


def _spring(path: Path, traps: Sequence[LossRule], notes: Notes) -> None:
    """Read a file once; each trap springs once."""
    waiting = list(traps)
    for line, piece in texts(path) if waiting else ():
        for trap in [*waiting]:
            if found := trap.pattern.search(piece):
                group = trap.pattern.groups
                here = line + piece.count(b"\n", 0, found.start(group))
                message = trap.message.format(found[group].decode("utf-8", "replace").strip())
                if not trap.warns:
                    raise Unreadable(trap.code, message, trap.remedy, f"line {here}")
                notes.warn(trap.code, message, trap.remedy, f"line {here}")
                waiting.remove(trap)


def texts(path: Path) -> Iterator[tuple[int, bytes]]:
    """A file in pieces that end where an element does, each with the number of its first line, and without comments."""
    line, rest = 1, b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            text = rest + chunk
            end = _end(text)
            yield line, _UNREAD.sub(_blanked, text[: end + 1])  # with the "<" that ends an element's text
            line += text.count(b"\n", 0, end)
            rest = text[end:]
    yield line, _UNREAD.sub(_blanked, rest)


def _end(text: bytes) -> int:
    """Where a piece may end: before an end tag that is in no comment and no CDATA section, as far as that can be told."""
    end = max(text.rfind(b"</"), 0)
    for opening, closing in ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>")):
        opened = text.rfind(opening, 0, end)
        if opened > text.rfind(closing, 0, end):
            end = max(text.rfind(b"</", 0, opened), 0)
    return end


def _blanked(section: re.Match[bytes]) -> bytes:
    """A comment or a CDATA section as blanks, but for a text in the latter that could stand without it."""
    whole, text = section[0], section[1]
    if text is None or b"<" in text:
        return whole.translate(_BLANKED)
    return b" " * len("<![CDATA[") + text + b" " * len("]]>")
