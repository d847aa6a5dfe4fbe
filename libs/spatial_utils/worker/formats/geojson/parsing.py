"""The features of a GeoJSON text, in its order, some at a time: those of a document (RFC 7946) or of a sequence (RFC 8142).

The newline-delimited spelling of a sequence is common practice.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from libs.spatial_utils.worker.formats.geojson import other_json
from libs.spatial_utils.worker.formats.geojson.checks import sequence_as_document
from libs.spatial_utils.worker.formats.geojson.source import Source
from libs.spatial_utils.worker.formats.patching import LARGEST_COPY
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.values.json_text import CHUNK, DECODER, Text, has_other_bytes

GEOMETRIES = frozenset({"point", "linestring", "multipoint", "polygon", "multilinestring", "multipolygon", "geometrycollection"})
"""Types of geometry, as GDAL compares them."""
_SEPARATOR = b"\x1e"
_BOM = b"\xef\xbb\xbf"
_BLANK, _BETWEEN = re.compile(r"[\s\x1e]*"), re.compile(r"[\s,]*")


@dataclass
class Around:
    """What a text has beside its features; complete when all of them have been taken.

    Attributes:
        members: Of a document.
        not_utf8: Whether there are bytes that are not UTF-8.
        untidy: Whether a sequence has what GDAL stumbles over: a byte order mark, blank lines, several features in one.
    """

    members: dict[str, Any] = field(default_factory=dict)
    untidy: bool = False
    not_utf8: bool = False


def features_of(file: io.BufferedReader, driver: str, around: Around) -> Iterator[list[Any]]:
    """The features of a text.

    Args:
        file: The text, which is read once and in order.
        driver: ``GeoJSON`` for a document, ``GeoJSONSeq`` for a sequence.
        around: Takes what else is found.

    Raises:
        Unreadable: for broken JSON, for what is not a document of features, and for records that are not features.
    """
    return _sequence(file, around) if driver == "GeoJSONSeq" else _document(file, around)


def _document(file: io.BufferedReader, around: Around) -> Iterator[list[Any]]:
    """The features of a FeatureCollection, or the one that the file is."""
    text, members = Text(file), around.members
    text.skip(_BETWEEN)
    if not text.taken("{"):
        raise other_json.verdict(text.value())
    text.skip(_BETWEEN)
    while not text.taken("}"):
        name = text.value()
        text.skip(_BLANK)
        if not isinstance(name, str) or not text.taken(":"):
            raise text.broken("A name and a colon are expected")
        text.skip(_BLANK)
        if name == "features" and text.taken("["):
            members[name] = []
            yield from _listed(text)
        else:
            members[name] = text.value()
        text.skip(_BETWEEN)
    kind, last_line, around.not_utf8 = members.get("type"), text.line, text.not_utf8
    text.skip(_BLANK)
    if not text.finished:
        raise (
            sequence_as_document()
            if kind == "Feature" and last_line == 1 < text.line
            else text.broken("Something follows its end")
        )
    if kind == "Feature":
        yield [members]
    elif isinstance(kind, str) and kind.lower() in GEOMETRIES:
        yield [{"type": "Feature", "properties": None, "geometry": members}]
    elif kind != "FeatureCollection":
        raise other_json.verdict(members)
    elif type(members.get("features")) is not list:
        raise other_json.without_features()


def _listed(text: Text) -> Iterator[list[Any]]:
    """The members of a list, some at a time."""
    members, began = [], text.passed
    text.skip(_BETWEEN)
    while not text.taken("]"):
        members.append(text.value())
        text.skip(_BETWEEN)
        if text.passed - began > CHUNK:
            yield members
            members, began = [], text.passed
    yield members


def _sequence(file: io.BufferedReader, around: Around) -> Iterator[list[Any]]:
    """The features of a sequence, some at a time."""
    features, length = list[Any](), 0
    for number, text, spans in _records(file, around):
        for start, end, value in spans:
            kind = value.get("type") if isinstance(value, dict) else None
            if kind == "Feature":
                features.append(value)
            elif isinstance(kind, str) and kind.lower() in GEOMETRIES:
                features.append({"type": "Feature", "properties": None, "geometry": value})
            else:
                raise _bad_line(number, f"is no GeoJSON feature: {shown(text[start:end], quoted=True)}")
        length += len(text)
        if length > CHUNK:
            yield features
            features, length = [], 0
    yield features


def _records(file: io.BufferedReader, around: Around) -> Iterator[tuple[int, str, list[tuple[int, int, Any]]]]:
    """Records that are not blank: the number of the line that they begin in, their text, the values with their places in it.

    Raises:
        Unreadable: for one that is no JSON.
    """
    for number, record in _raw_records(file):
        text, at, spans = record.decode("utf-8", "surrogateescape"), 0, list[tuple[int, int, Any]]()
        around.not_utf8 = around.not_utf8 or has_other_bytes(text)
        if number == 1 and text.startswith("\ufeff"):
            text, around.untidy = text[1:], True
        try:
            while (at := _BLANK.match(text, at).end()) < len(text):  # type: ignore[union-attr]  # matches nothing, too
                value, end = DECODER.raw_decode(text, at)
                spans.append((at, end, value))
                at = end
        except RecursionError as error:
            raise _bad_line(number, "is nested too deeply") from error
        except ValueError as error:
            raise _bad_line(number, f"is not valid JSON: {error}") from error
        around.untidy |= len(spans) != 1
        if spans:
            yield number, text, spans


def _raw_records(file: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """What stands between line breaks, or between RS characters, with the number of the line that it begins in."""
    if not file.peek(1).removeprefix(_BOM).lstrip().startswith(_SEPARATOR):
        yield from enumerate(file, 1)
        return
    record, began = b"", 1
    for number, line in enumerate(file, 1):
        before, *records = line.split(_SEPARATOR)
        record += before
        for following in records:
            if record.removeprefix(_BOM).strip():
                yield began, record
            record, began = following, number
    yield began, record


def _bad_line(number: int, reason: str) -> Unreadable:
    return Unreadable(
        "damaged",
        f"The record that begins in line {number} {reason}.",
        "Correct it. A feature takes one line, or begins with the RS character (RFC 8142).",
        f"line {number}",
    )


def tidied(source: Source) -> bytes:
    """A sequence as RFC 8142 wants it, which GDAL reads whatever stands between its features.

    Raises:
        Unreadable: where that would take too much memory.
    """
    if source.size > LARGEST_COPY:
        raise Unreadable(
            "damaged",
            "The sequence has a byte order mark, blank lines, or several features in one line.",
            "Write one feature a line, and nothing else.",
        )
    with source.opened() as file:
        values = [text[start:end] for _, text, spans in _records(file, Around()) for start, end, _ in spans]
    return b"".join(b"\x1e%s\n" % value.encode("utf-8", "surrogateescape") for value in values)


def shown(value: Any, *, quoted: bool = False) -> str:
    """A value for a message, shortened."""
    text = value if quoted else json.dumps(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - a line's worth
