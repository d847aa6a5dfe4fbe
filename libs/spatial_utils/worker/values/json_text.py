"""JSON (RFC 8259) value by value, out of a file of any size."""

import codecs
import json
import re
from typing import Any, BinaryIO

from libs.spatial_utils.worker.protocol import Unreadable

CHUNK = 1024 * 1024
"""Bytes that are read at once, at least."""
DECODER = json.JSONDecoder(strict=False)
_SURROGATE = re.compile("[\udc80-\udcff]")
_LARGEST = 200 * 1024 * 1024
"""Characters of a value. Larger features are none for GDAL, either."""


def has_other_bytes(text: str) -> bool:
    """Whether a text that was decoded with surrogates in the place of what is not UTF-8 has any."""
    return not text.isascii() and _SURROGATE.search(text) is not None


class Text:
    """A JSON text that is read as far as it is asked for.

    Attributes:
        not_utf8: Whether it has had bytes so far that are not UTF-8.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read a file in UTF-8; bytes that are not stay as surrogates."""
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self.not_utf8 = False
        self._file, self._text, self._at, self._ended, self._dropped, self._lines = file, "", 0, False, 0, 1

    @property
    def passed(self) -> int:
        """Characters, from the first."""
        return self._dropped + self._at

    @property
    def line(self) -> int:
        """The number of the line that is reached."""
        return self._lines + self._text.count("\n", 0, self._at)

    @property
    def finished(self) -> bool:
        """Whether nothing follows."""
        return self._ended and self._at == len(self._text)

    def skip(self, what: re.Pattern[str]) -> None:
        """Pass over some characters."""
        while True:
            self._at = what.match(self._text, self._at).end()  # type: ignore[union-attr]  # matches nothing, too
            if self._at < len(self._text) or self._ended:
                return
            self._read_on()

    def taken(self, character: str) -> bool:
        """Whether this comes next; then it is passed over.

        Raises:
            Unreadable: where nothing comes next.
        """
        if self.finished:
            raise self.broken("The file ends too early")
        found = self._text.startswith(character, self._at)
        self._at += found
        return found

    def value(self) -> Any:
        """The value that comes next.

        Raises:
            Unreadable: where it is not JSON.
        """
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
                if end < len(self._text) or self._ended:  # else a number may go on
                    self._at = end
                    return value
            except RecursionError as error:
                raise self.broken("It is nested too deeply") from error
            except ValueError as error:
                if self._ended or len(self._text) - self._at > _LARGEST:
                    raise self.broken(str(error).partition(":")[0]) from error
            self._read_on()

    def broken(self, reason: str) -> Unreadable:
        """What to say of what comes next."""
        return Unreadable(
            "damaged",
            f"The file is not valid JSON: {reason}, in what begins in line {self.line:,}.",
            "Check the file with the program that made it, and write or upload it again.",
            f"line {self.line}",
        )

    def _read_on(self) -> None:
        data = self._file.read(max(CHUNK, len(self._text) - self._at))
        self._ended = not data
        chunk = self._decoder.decode(data, final=self._ended)
        self.not_utf8 = self.not_utf8 or has_other_bytes(chunk)
        self._lines += self._text.count("\n", 0, self._at)
        self._dropped += self._at
        self._text, self._at = self._text[self._at :] + chunk, 0
