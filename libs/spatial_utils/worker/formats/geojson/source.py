"""GeoJSON that is written otherwise than RFC 7946 has it, and means the same: what the parsers and GDAL get in its place.

In another encoding than UTF-8, behind a record separator as the features of a sequence have it, or as a mere list of features.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path

from libs.spatial_utils.worker.formats.patching import LARGEST_COPY
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.values.json_encoding import codec_of, decoded

_HEAD_BYTES = 64 * 1024
_BUFFER_BYTES = 1024 * 1024
_BEFORE = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+(?:\x1e[ \t\r\n]*+)?")
_LIST = re.compile(rb"\[\s*+\{.*\"Feature\"", re.DOTALL)


@dataclass(frozen=True)
class Source:
    """A text.

    Attributes:
        path: Of the file.
        content: What stands in the place of its bytes; None where these are as they should be.
    """

    path: Path
    content: bytes | None = None

    def raw(self) -> io.RawIOBase:
        """The bytes, to be read once and in order."""
        return io.FileIO(self.path) if self.content is None else _Held(self.content)

    def opened(self) -> io.BufferedReader:
        """The bytes, buffered."""
        return io.BufferedReader(self.raw(), _BUFFER_BYTES)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size if self.content is None else len(self.content)


class _Held(io.RawIOBase):
    """Bytes in memory as a file."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """The next bytes."""
        return self._content.readinto(buffer)


def source_of(path: Path, driver: str, encoding: str | None, notes: Notes) -> Source:
    """The text of a file.

    Args:
        path: Of the file.
        driver: ``GeoJSON`` for a document, ``GeoJSONSeq`` for a sequence.
        encoding: As the manifest says, or None.
        notes: Takes a warning where the file is written otherwise.

    Raises:
        Unreadable: ``wrong_encoding``, or for a file that is written otherwise and too large to be held in memory.
    """
    codec = codec_of(path, encoding, notes)
    content = None if codec is None else decoded(_whole(path, f"is in {codec}"), codec).encode()
    if driver != "GeoJSON":
        return Source(path, content)
    with Source(path, content).opened() as file:
        head = file.read(_HEAD_BYTES)
    before = _BEFORE.match(head)
    begin = before.end() if before and b"\x1e" in before[0] else 0
    is_list = _LIST.match(head, before.end() if before else 0) is not None
    if not begin and not is_list:
        return Source(path, content)
    what = "is a list of features" if is_list else "begins with a record separator, as the features of a sequence do"
    content = (_whole(path, what) if content is None else content)[begin:]
    notes.warn(
        "geojson_spelling",
        f"The file {what}. It was read as a FeatureCollection.",
        "Nothing has to be done. GeoJSON (RFC 7946) wants an object with the features in 'features'.",
    )
    return Source(
        path, b'{"type":"FeatureCollection","features":' + content.removeprefix(b"\xef\xbb\xbf") + b"}" if is_list else content
    )


def _whole(path: Path, what: str) -> bytes:
    if path.stat().st_size > LARGEST_COPY:
        raise Unreadable(
            "format_mismatch",
            f"The file {what}, and is too large to be read all the same.",
            'Write it as GeoJSON in UTF-8: an object with "type": "FeatureCollection" and its features in \'features\'.',
        )
    return path.read_bytes()
