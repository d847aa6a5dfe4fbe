"""JSON in the scripts of a web page: found and parsed where it is strict JSON. No JavaScript is run.

Sources: HTML Living Standard, 4.12.1 (the text of a script ends at ``</script``); RFC 8259 (JSON). How Leaflet, folium, mapshaper
and htmlwidgets write data into pages, by use.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.values.json_values import members_once

_SCRIPT = re.compile(r"<!--.*?-->|<script\b([^>]*)>(.*?)(?:</script\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_ID = re.compile(r"""\bid\s*=\s*["']?([\w.:-]+)""")
_FRAME = re.compile(r"""\bsrcdoc\s*=\s*(?:"([^"]*&lt;script[^"]*)"|'([^']*&lt;script[^']*)')""", re.IGNORECASE)
"""A page within the page, as notebooks show maps."""
_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?([\w:-]+)""", re.IGNORECASE)
_BEGINS = re.compile(r"""[\[{](?=\s*["\[{])|"(?=\s*[\[{]\s*\\["\[{n])""")
"""Where JSON may begin, or a text of JavaScript that holds JSON with its quotation marks escaped."""
_QUOTED = {"'": re.compile(r"'(?:[^'\\\n]|\\.)*'", re.DOTALL), "`": re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "\n": ""}
_SPELLED_OUT = frozenset("0123456789ux")
_NAME = re.compile(
    r"""(?:([\w$.]+)\s*=|["']?([\w$-]+)["']?\s*:|([\w$]+)_add\()\s*(?:JSON\.parse\(\s*)?["'`]?\s*\Z"""  # the last is folium's
)
_PART = re.compile(r"""(?:\[|\b(?:features|geometry|geometries)["'\\]*\s*:)\s*\Z""")
_LINE_COMMENT = re.compile(r"""(?<![:"'\w\\])//[^"'`\n]*\Z""")
_BEFORE_COMMENT = frozenset(" \t\r\n;{}(),>")
_NAME_LENGTH, _LINE_LENGTH, _HEAD_BYTES = 200, 500, 4096
_TYPE = r"""type["'\\]*\s*:\s*["'\\]+Feature"""
_COORDINATES = r"""coordinates["'\\]*\s*:\s*\[[\s\[]*-?[0-9]"""
_LEFT = re.compile(
    rf"""["']\\?{_TYPE}|\b{_TYPE}["'\\]+[^;]{{0,1000}}?\b{_COORDINATES}"""
    rf"""|\bfeatures["'\\]*\s*:\s*\[\s*\{{[^;]{{0,1000}}?\b{_COORDINATES}"""
)
"""Data as it looks that is GeoJSON, but no strict JSON. Programs that handle GeoJSON have no quotation marks or numbers there."""
_IN_ATTRIBUTE = re.compile(r"&quot;type&quot;\s*:\s*&quot;Feature")


@dataclass
class Value:
    """A value of JSON in a script.

    Attributes:
        value: As ``json`` reads it.
        name: Of its variable, its member or its script; empty where it has none.
        line: In which it begins.
        is_part: Whether it stands where members of a collection do, in something that is no strict JSON.
    """

    value: Any
    name: str
    line: int
    is_part: bool


@dataclass
class Scripts:
    """The scripts of a page.

    Args:
        text: Of the page.

    Attributes:
        commented: How many values stand in comments.
    """

    text: str
    commented: int = 0
    _done: list[tuple[int, int]] = field(default_factory=list)
    _line: int = 1
    _counted: int = 0

    def values(self) -> Iterator[Value]:
        """Every value of strict JSON that may hold GeoJSON, the outermost one each."""
        for script in _SCRIPT.finditer(self.text):
            if script[2] is None:  # a comment of the page
                self._done.append(script.span())
                continue
            at, end = script.span(2)
            found = _ID.search(script[1])
            name = found[1] if found else ""
            while (begins := _BEGINS.search(self.text, at, end)) is not None:
                at = begins.start() + 1
                parsed = self._parsed(begins.start(), end)
                if parsed is None:
                    at = self._end_of_literal(begins.start(), end) or at
                    continue
                value, at = parsed
                self._done.append((begins.start(), at))
                if not _mentions_geojson(self.text[begins.start() : at]):
                    continue
                if self._in_comment(begins.start(), script.start(2)):
                    self.commented += 1
                else:
                    before = self.text[max(0, begins.start() - _NAME_LENGTH) : begins.start()]
                    yield Value(value, _name(before) or name, self._line_of(begins.start()), _PART.search(before) is not None)

    def check_rest(self) -> None:
        """Look at what has not been read.

        Raises:
            Unreadable: for what looks like GeoJSON.
        """
        at = 0
        for start, end in [*self._done, (len(self.text), len(self.text))]:
            for pattern in (_LEFT, _IN_ATTRIBUTE):
                for found in pattern.finditer(self.text, at, start):
                    if not self._in_comment(found.start(), at):
                        raise no_json(self.text.count("\n", 0, found.start()) + 1)
            at = end

    def _parsed(self, at: int, end: int) -> tuple[Any, int] | None:
        """The value that begins somewhere, and where it ends; None where there is none."""
        before = self.text[at - 1]
        try:
            if self.text[at] == '"':
                inside, stop = _DECODER.raw_decode(self.text, at)
                return (_whole(inside), stop) if stop <= end else None
            if before in _QUOTED:
                ends = self._end_of_literal(at, end)
                return None if ends is None else (_whole(_unescaped(self.text[at : ends - 1], before)), ends)
            value, stop = _decoded(self.text, at)
        except (ValueError, RecursionError):
            return None
        return (value, stop) if stop <= end else None

    def _line_of(self, at: int) -> int:
        """The line of a place; places come in their order."""
        self._line += self.text.count("\n", self._counted, at)
        self._counted = at
        return self._line

    def _end_of_literal(self, at: int, end: int) -> int | None:
        """Where the text of JavaScript ends that begins before a place; None where there is none."""
        pattern = _QUOTED.get(self.text[at - 1])
        literal = pattern.match(self.text, at - 1, end) if pattern else None
        return None if literal is None else literal.end()

    def _in_comment(self, at: int, start: int) -> bool:
        line = self.text.rfind("\n", start, at) + 1 or start
        if _LINE_COMMENT.search(self.text[max(line, at - _LINE_LENGTH) : at]):
            return True
        opened = self.text.rfind("/*", start, at)
        return opened >= start and self.text[opened - 1] in _BEFORE_COMMENT and self.text.find("*/", opened, at) < 0


def _name(before: str) -> str:
    found = _NAME.search(before)
    return next(filter(None, found.groups()), "").rpartition(".")[2] if found else ""


def text_of(data: bytes) -> str:
    """A page as text, in the character set that it declares, or in UTF-8; with the pages in its frames.

    Raises:
        Unreadable: ``wrong_encoding``.
    """
    found = _CHARSET.search(data[:_HEAD_BYTES])
    declared = found[1].decode("ascii") if found and not data.startswith(codecs.BOM_UTF8) else "utf-8"
    try:
        encoding = codecs.lookup(declared).name
        text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except (LookupError, UnicodeDecodeError) as error:
        raise Unreadable(
            "wrong_encoding", f"The page is not {declared}, as it says or as is usual: {error}.", "Save the page again in UTF-8."
        ) from error
    return _FRAME.sub(lambda frame: unescape(frame[1] or frame[2]), text)


def json_in(text: str) -> Any:
    """A text that holds JSON and nothing else; None for others."""
    if not text.lstrip().startswith(("{", "[")) or not _mentions_geojson(text):
        return None
    try:
        return _whole(text)
    except (ValueError, RecursionError):
        return None


_DECODER = json.JSONDecoder(strict=False)
_ONCE = json.JSONDecoder(strict=False, object_pairs_hook=members_once)


def _decoded(text: str, at: int) -> tuple[Any, int]:
    try:
        return _ONCE.raw_decode(text, at)
    except Unreadable:
        value, end = _DECODER.raw_decode(text, at)
        if _mentions_geojson(text[at:end]):
            raise
        return value, end


def _whole(text: str) -> Any:
    start = len(text) - len(text.lstrip())
    value, end = _decoded(text, start)
    if text[end:].strip():
        raise ValueError("something follows")
    return value


def _mentions_geojson(text: str) -> bool:
    return "Feature" in text or "coordinates" in text


def _unescaped(text: str, quote: str) -> str:
    """What a literal of JavaScript means."""
    if quote == "`" and "${" in text:
        raise ValueError("a template")

    def meant(found: re.Match[str]) -> str:
        if code := found[1] or found[2]:
            return chr(int(code, 16))
        if found[3] in _SPELLED_OUT:
            raise ValueError("an escape of another kind")
        return _ESCAPED.get(found[3], found[3])

    return _ESCAPE.sub(meant, text)


def no_json(line: int) -> Unreadable:
    """What to say of GeoJSON that is no strict JSON."""
    return Unreadable(
        "unreadable",
        f"What begins in line {line:,} looks like GeoJSON, but is no strict JSON (names and texts in double quotation marks, "
        "no comma at the end, no code): it cannot be read without running the page.",
        "Open the page in a browser, type copy(JSON.stringify(NAME)) into its console, with the name of the variable, and upload "
        "what it copies as a .geojson file. Or ask for the data that the page was made from.",
        f"line {line}",
    )
