"""JSON in another encoding than UTF-8, which RFC 8259 and RFC 7946 want: told by its first bytes, or by the manifest."""

import codecs
import json
from pathlib import Path

from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.values.pieces import CHUNK_BYTES
from libs.spatial_utils.worker.values.text import ENCODING_REMEDY, codec_named

_RULE = "JSON is to be in UTF-8."


def codec_of(path: Path, encoding: str | None, notes: Notes) -> str | None:
    """The codec of a file that is not UTF-8; None where it is, or where nothing says what it is instead.

    Args:
        path: Of the file.
        encoding: As the manifest says, or None. What is UTF-8 stays so: hardly any other text happens to be UTF-8.
        notes: Takes the warnings.
    """
    with path.open("rb") as file:
        found = json.detect_encoding(file.read(4))
    if not found.startswith("utf-8"):
        notes.warn("not_utf8", f"The file is in {found.upper()}, and was read so. {_RULE}", "Nothing has to be done.")
        return found
    codec = codec_named(encoding) if encoding is not None else None
    if codec is None or codec.startswith("utf-8") or _is_in(path, "ascii"):
        return None
    if _is_in(path, "utf-8"):
        notes.warn(
            "encoding_ignored",
            f"The encoding {encoding!r} was not used: the file is in UTF-8.",
            "Leave 'encoding' out, and check that the text came out right.",
        )
        return None
    notes.warn("not_utf8", f"The file is in {encoding}, as the manifest says. {_RULE}", "Nothing has to be done.")
    return codec


def decoded(data: bytes, codec: str | None) -> str:
    """A text.

    Raises:
        Unreadable: ``wrong_encoding``.
    """
    try:
        return data.decode(codec or "utf-8-sig").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Unreadable("wrong_encoding", f"The file is not {codec or 'UTF-8'}: {error}.", ENCODING_REMEDY) from error


def _is_in(path: Path, codec: str) -> bool:
    """Whether a file can be decoded."""
    decoder = codecs.getincrementaldecoder(codec)()
    with path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True
