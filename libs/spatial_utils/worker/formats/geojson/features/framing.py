"""Where the features of a file begin and end: RFC 7946's FeatureCollection, and one feature a line."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.spatial_utils.worker.protocol import SchemaInferenceFailed

_HEAD_BYTES = 1024 * 1024
_PIECE_BYTES = 4 * 1024 * 1024
_LARGEST_FEATURE = 64 * 1024 * 1024
_FIRST_BYTES = 512 * 1024
_SPOTS, _SPOT_BYTES = 16, 64 * 1024
_LIST = re.compile(rb'"features"\s*+:\s*+\[\s*+')
_NEXT = {
    "GeoJSON": re.compile(r"(\s*+,\s*+)(\{\s*+\")"),
    "GeoJSONSeq": re.compile(r"(?=[ \t\r]*+\n)(\s*+)(\{\s*+\")"),
}


@dataclass(frozen=True)
class Frame:
    """What is around the features of a file.

    Attributes:
        path: Of the file.
        before: All that stands before the first.
        end: Where the last ends.
        between: What stands between one and the next: a comma with white space, or a line break.
        beginning: How the next begins, up to the quotation mark of its first member's name.
        after: What closes the list.
        lines: Whether the first feature is in one line.
    """

    path: Path
    before: bytes
    end: int
    between: bytes
    beginning: bytes
    after: bytes
    lines: bool

    @property
    def _separator(self) -> bytes:
        """Where one feature ends and the next begins. Its quotation mark is not escaped, so that no text can hold it."""
        return b"}" + self.between + self.beginning

    def lined(self, features: bytes | bytearray) -> bytes | bytearray:
        """Features without commas between them, each in a line of its own if it was in one; as long as before."""
        line_break = self.between.replace(b",", b" " if b"\n" in self.between else b"\n")
        return features.replace(self._separator, b"}" + line_break + self.beginning)

    def parsed(self, features: bytes) -> Any:
        """Features as Python sees them; an empty list if they cannot be parsed."""
        try:
            return json.loads(b"[" + features.replace(self._separator, b"}," + self.beginning) + b"]")
        except (ValueError, RecursionError):
            return []

    def document(self, features: bytes) -> bytes:
        """Features, with what stands between them, as a file of their own."""
        return self.before + features + self.after

    def members(self) -> dict[str, Any]:
        """What the collection has beside its features."""
        document = self.document(b"").strip()
        return dict(json.loads(document)) if document else {}

    def sample(self) -> bytes:
        """The first features, the last, and some from all over the file, with what stands between them."""
        separator, begin = self._separator, 1 + len(self.between)
        size = self.end - len(self.before)
        with self.path.open("rb") as file:

            def look(start: int, length: int) -> tuple[bytes, int, int]:
                file.seek(start)
                text = file.read(min(length, self.end - start))
                return text, text.find(separator), text.rfind(separator)

            text, _, last = look(len(self.before), _FIRST_BYTES)
            parts = [text[: last + 1]]
            for spot in range(1, _SPOTS):
                text, first, last = look(len(self.before) + size * spot // _SPOTS, _SPOT_BYTES)
                if first < last:
                    parts.append(text[first + begin : last + 1])
            text, _, last = look(max(self.end - _SPOT_BYTES, len(self.before)), _SPOT_BYTES)
            if last >= 0:
                parts.append(text[last + begin :])
        return self.between.join(part for part in parts if part)

    def pieces(self) -> Iterator[bytes | bytearray]:
        """All features, some at a time, each in a line of its own if it was in one.

        Raises:
            SchemaInferenceFailed: where no end of a feature is found.
        """
        separator = self._separator
        buffer, filled, left = bytearray(_PIECE_BYTES), 0, self.end - len(self.before)
        with self.path.open("rb", buffering=0) as file:
            file.seek(len(self.before))
            while left or filled:
                with memoryview(buffer) as room:
                    read = file.readinto(room[filled : filled + left])
                filled, left = filled + read, left - read
                ended = filled if not left else buffer.rfind(separator, 0, filled) + 1
                if ended:
                    yield self.lined(buffer[:ended])
                    kept = ended + len(self.between) if left else filled
                    buffer[: filled - kept] = buffer[kept:filled]
                    filled -= kept
                elif filled == len(buffer) < _LARGEST_FEATURE:
                    buffer.extend(bytes(len(buffer)))
                elif not read or filled == len(buffer):
                    raise SchemaInferenceFailed


def find(path: Path, driver: str) -> Frame | None:
    """The frame of a file's features, None where it is not an ordinary one, or where there are no two features."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        size = file.seek(0, io.SEEK_END)
        file.seek(max(size - _HEAD_BYTES, 0))
        tail = file.read()
    if driver == "GeoJSON":
        found = _LIST.search(head)
        start, features = found.end() if found else 0, _without_end(tail)
        if not _is_collection(head[:start] + tail[len(features) :]):
            return None
    else:
        start, features = len(head) - len(head.lstrip()), tail.rstrip()
    text = head.decode("latin-1")  # a character is a byte, and what JSON is made of is ASCII
    try:
        first, at = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    following = _NEXT[driver].match(text, at)
    if following is None or not isinstance(first, dict) or first.get("type") != "Feature":
        return None
    return Frame(
        path=path,
        before=head[:start],
        end=size - len(tail) + len(features),
        between=following[1].encode("latin-1"),
        beginning=following[2].encode("latin-1"),
        after=tail[len(features) :],
        lines="\n" not in text[start:at],
    )


def _without_end(tail: bytes) -> bytes:
    """What stands before the end of the list of features, wherever other members of the collection stand."""
    end = len(tail)
    while (end := tail.rfind(b"]", 0, end)) >= 0:
        features = tail[:end].rstrip()
        if features.endswith(b"}"):
            return features
    return tail


def _is_collection(text: bytes) -> bool:
    """Whether this is a collection without its features: then the list was its own."""
    try:
        collection = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(collection, dict) and collection.get("type") == "FeatureCollection" and collection.get("features") == []
