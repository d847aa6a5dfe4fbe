"""The text of a CSV: its encoding, and its lines without those that are no rows."""

import codecs
import io
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.values.western import is_western

HEAD_BYTES = 1024 * 1024
_NO_FILE_IS_IN = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Codecs of Python that are of text, but encode no file of it."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""Byte order marks and the family of codecs that they belong to; one of UTF-32 begins with one of UTF-16."""
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r(?!$))")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")


def encoding_of(path: Path, declared: str | None, notes: Notes) -> str:
    """The Python codec of the file: what the manifest says, else by byte order mark, else UTF-8."""
    with path.open("rb") as file:
        head = file.read(4)
    marked = next((family for mark, family in _MARKS.items() if head.startswith(mark)), None)
    if declared is None:
        return "utf8" if marked in {None, "utf-8"} else marked
    try:
        name = codecs.lookup(declared).name
        "".encode(name)  # a LookupError, too, where the codec is not one of text
    except (LookupError, ValueError):
        name = "undefined"
    if name in _NO_FILE_IS_IN:
        raise Unreadable(
            "unknown_encoding",
            f"{declared!r} is no character encoding that is known here.",
            "Use a name such as 'UTF-8' or 'cp1252'.",
        )
    if marked and not name.startswith(marked):
        notes.warn(
            "encoding_contradicted",
            f"The file begins with the byte order mark of {marked.upper()}, but 'encoding' in the manifest is {declared!r}, "
            "which was used.",
            "If text came out wrong, leave 'encoding' out.",
        )
    return "utf8" if name in {"utf-8", "utf-8-sig"} else name


def found_encoding(path: Path, notes: Notes) -> str | None:
    """The codec of a file that says nothing of its encoding and is not UTF-8, where it is almost certain; it is noted."""
    rest, seen = b"", False
    with path.open("rb") as file:
        while block := file.read(HEAD_BYTES):
            text, _, rest = (rest + block).rpartition(b"\n")
            if _BEYOND_ASCII.search(text):
                seen = True
                if not is_western(text):
                    return None
        if _BEYOND_ASCII.search(rest):
            seen = True
            if not is_western(rest):
                return None
    if not seen:
        return None
    notes.warn(
        "encoding_found",
        "The text is not UTF-8. By its letters it is Windows-1252 (Latin-1), and was read so.",
        'Check names with accents. To say it yourself, write "encoding": "cp1252", or the right one.',
    )
    return "cp1252"


class EndedText(io.RawIOBase):
    """A file as UTF-8, with a last row that is ours: it arrives as such only if no quotes are open at the file's end.

    The parser closes them in silence, so that all that follows a stray quote would become one value.

    Args:
        path: The file.
        encoding: Its codec.
        delimiters: Of an empty row.
        skipped: Lines at the beginning that are no rows.
        comment: Lines that begin with it are no rows, unless they are within a quoted value.
        quote: What quotes values; empty when nothing does.

    Attributes:
        end: The last value of that row; nobody can know it.
    """

    def __init__(
        self, path: Path, encoding: str, delimiters: str, skipped: int = 0, comment: str | None = None, quote: str = '"'
    ) -> None:
        self.end = secrets.token_hex(16)
        self._row = f"{delimiters}{self.end}\n".encode()
        self._file = path.open("rb")
        self._decoder = None if encoding == "utf8" else codecs.getincrementaldecoder(encoding)()
        self._ready, self._last, self._ended = bytearray(), b"", False
        self._lines = _Rows(skipped, comment, quote) if skipped or comment else None
        self._first, self._mark = True, codecs.BOM_UTF8.decode(encoding, "ignore").encode()

    def readable(self) -> bool:
        """See ``io.RawIOBase``."""
        return True

    def read(self, size: int = -1) -> bytes:
        """As many bytes of UTF-8, fewer only at the end."""
        while not self._ended and not 0 <= size <= len(self._ready):
            self._ready += self._more()
        size = len(self._ready) if size < 0 else size
        data = bytes(memoryview(self._ready)[:size])
        del self._ready[:size]
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _more(self) -> bytes:
        raw = self._file.read(HEAD_BYTES)
        text = raw if self._decoder is None else self._decoder.decode(raw, final=not raw).encode()
        if self._first:
            self._first = False
            text = text.removeprefix(codecs.BOM_UTF8).removeprefix(self._mark)  # the manifest may contradict the mark
        if self._lines is not None:
            text = self._lines.rows(text, final=not raw)
        self._last = text[-1:] or self._last
        if raw:
            return text
        self._ended = True
        return text + (b"" if self._last in {b"\n", b"\r"} else b"\n") + self._row


class _Rows:
    """Lines of a text as it comes in pieces, without those at its beginning and without comments."""

    def __init__(self, skipped: int, comment: str | None, quote: str) -> None:
        self._skipped, self._comment, self._quote = skipped, comment.encode() if comment else None, quote.encode()
        self._rest, self._quoted = b"", False

    def rows(self, text: bytes, *, final: bool) -> bytes:
        """What of the next piece are rows; the end of a line that is not there yet waits."""
        if not self._skipped and self._comment is None:
            return text
        return b"".join(self._kept(self._rest + text, final=final))

    def _kept(self, text: bytes, *, final: bool) -> Iterator[bytes]:
        at = 0
        while match := _LINES.match(text, at):
            at = match.end()
            if self._skipped:
                self._skipped -= 1
            elif self._comment is None:
                yield match[0] + text[at:]
                self._rest = b""
                return
            elif self._is_row(match[0]):
                yield match[0]
        self._rest = text[at:]
        if final:
            self._rest, last = b"", self._rest
            if last and not self._skipped and self._is_row(last):
                yield last

    def _is_row(self, line: bytes) -> bool:
        if self._comment is not None and not self._quoted and line.lstrip(b" \t").startswith(self._comment):
            return False
        if self._quote:
            self._quoted ^= line.count(self._quote) % 2 == 1
        return True
