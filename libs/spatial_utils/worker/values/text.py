"""Decoding attribute text of formats that do not always say how it is encoded: strictly, and naming the value that does not fit.

GDAL would put replacement characters in silence, or take Latin-1 where nothing is said. Here: what the manifest says holds; else
what the file says; else UTF-8, and a refusal when it is not.

No upstream issue is known (GDAL 3.12.4).
"""

import codecs
import re
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.quarantine import FIX, Quarantine

_CODE_PAGE = re.compile(r"(?:ansi|oem|dos|windows|win|cp|ibm|microsoft)?[ _-]*(\d{3,5})", re.IGNORECASE)
_ISO = re.compile(r"(?:iso)?[ _-]*8859[ _-]*(\d{1,2})", re.IGNORECASE)
_SEPARATOR = re.compile("[ _-]")
_OTHER_SPELLINGS = {
    "ansi": "cp1252", "ascii": "cp1252", "oem": "cp437", "utf8": "utf-8", "65001": "utf-8", "1200": "utf-16",
    "shiftjis": "cp932", "sjis": "cp932", "932": "cp932", "eucjp": "euc_jp", "euckr": "cp949", "949": "cp949",
    "big5": "cp950", "950": "cp950", "gb2312": "gbk", "gbk": "gbk", "936": "gbk", "54936": "gb18030",
    "koi8r": "koi8_r", "20866": "koi8_r", "koi8u": "koi8_u",
}  # fmt: skip
"""Spellings of .cpg files and manifests that Python knows otherwise; without case, blanks, ``-`` and ``_``."""
_CUT = frozenset({"unexpected end of data", "incomplete multibyte sequence"})
"""What Python's codecs say of a character whose last bytes are missing."""
_NAME_BYTES = 10
"""Of a column's name in dBASE, which programs cut after so many bytes."""
_WESTERN = frozenset({"cp1252", "iso8859-1", "iso8859-15", "latin_1"})
ENCODING_REMEDY = (
    'Write "encoding": "cp1252" (or what it was written in, such as cp1250, cp850, Shift_JIS) for this file in the manifest.'
)


def codec_named(spelling: str) -> str | None:
    """The Python codec that an encoding's name in the wild means; None when it means none that works byte by byte."""
    text = spelling.strip().strip("\0")
    plain = _SEPARATOR.sub("", text.lower())
    candidates = [_OTHER_SPELLINGS.get(plain), text, plain]
    if match := _ISO.fullmatch(text):
        candidates.insert(0, f"iso8859-{int(match[1])}")
    elif match := _CODE_PAGE.fullmatch(text):
        candidates.insert(0, _OTHER_SPELLINGS.get(match[1], f"cp{match[1]}"))
    for candidate in candidates:
        if candidate is None:
            continue
        try:
            name = codecs.lookup(candidate).name
            "".encode(name)
        except (LookupError, UnicodeError, ValueError):
            continue
        return name
    return None


class Decoder:
    """Turns the bytes of text columns into text.

    Args:
        declared: The name of the encoding, or None when nothing says it.
        by: Who says it, for messages: ``the manifest``, ``the .cpg file``.
        notes: Takes counts and warnings.
        decoded: GDAL has decoded the text as declared, so that it comes in UTF-8.

    Attributes:
        quarantine: Takes the rows of values that cannot be decoded; None: such a value is a problem.

    Raises:
        Unreadable: when the name means nothing, or nothing that such a file can hold.
    """

    def __init__(self, declared: str | None, by: str, notes: Notes, *, decoded: bool = False) -> None:
        codec = codec_named(declared) if declared is not None else "utf-8"
        if codec is None or codec.startswith(("utf-16", "utf-32", "utf-7")):
            raise Unreadable(
                "unknown_encoding", f"The encoding {declared!r}, which {by} names, cannot be used here.", ENCODING_REMEDY
            )
        self._codec, self._declared, self._by, self._notes = codec, declared, by, notes
        self._arrives_in = "utf-8" if decoded else codec
        # Text in UTF-8 decodes as Latin-1 without an error, into nonsense; the other way round it nearly never does.
        self._suspect = by != "the manifest" and codec in _WESTERN
        self._as_utf8, self._not_utf8 = 0, 0
        self.quarantine: Quarantine | None = None
        self._may_be_cut = by != "the format"

    def name(self, raw: bytes) -> str:
        """A column's name."""
        try:
            return raw.decode(self._arrives_in)
        except UnicodeDecodeError as error:
            if self._may_be_cut and len(raw) == _NAME_BYTES and error.reason in _CUT:  # within a character
                name = raw[: error.start].decode(self._arrives_in)
                self._notes.warn(
                    "column_name_cut",
                    f"The name of the column {name!r} ends within a character, of which the rest was cut off: {raw!r}.",
                    "Nothing has to be done. A recipe can rename the column.",
                )
                return name
            raise self._failed(f"the column name {raw!r}", "") from error

    def column(self, column: pa.Array, name: str, width: int, first_row: int, layer: str) -> pa.Array:
        """A column's values.

        Args:
            column: Text as it came, in whatever encoding.
            name: The column's.
            width: Bytes that a value can have at most; 0: no limit.
            first_row: Number of the first row, for problems, from 0.
            layer: The layer's name.
        """
        raw = column.cast(pa.binary())
        if _is_ascii(raw):
            return raw.cast(pa.string())
        coded = raw.dictionary_encode()
        values = coded.dictionary.to_pylist()
        texts = list(self._decoded(values, width, name, raw, lambda value: self._place(raw, value, first_row, layer)))
        return pa.array(texts, pa.string()).take(coded.indices)

    def finish(self, layer: str) -> None:
        """Judge what was read as a whole.

        Raises:
            Unreadable: when everything beyond ASCII is well-formed UTF-8, though the file names a Western code page.
        """
        if self._as_utf8 and not self._not_utf8:
            raise Unreadable(
                "wrong_encoding",
                f"{self._speaker} says {self._declared}, but all text beyond ASCII is well-formed UTF-8.",
                f'Write "encoding": "UTF-8" for this file in the manifest; or {self._declared}, if that really is right.',
                f"layer {layer}",
            )

    def _decoded(
        self, values: Iterable[bytes], width: int, name: str, raw: pa.Array, place: Callable[[bytes], str]
    ) -> Iterable[str | None]:
        for value in values:
            try:
                text = value.decode(self._arrives_in)
            except UnicodeDecodeError as error:
                if width and len(value) == width and error.reason in _CUT:
                    self._notes.counts["cut_characters"] += 1  # a character that the writer cut in half at the end of the field
                    text = value[: error.start].decode(self._codec)
                else:
                    problem = self._failed(f"{value!r} in the column {name!r}", place(value))
                    yield self._by_policy(value, name, raw, problem)
                    continue
            if self._suspect and not value.isascii():
                if _is_utf8(value if self._arrives_in == self._codec else text.encode(self._codec, "replace")):
                    self._as_utf8 += 1
                else:
                    self._not_utf8 += 1
            yield text

    def _by_policy(self, value: bytes, name: str, raw: pa.Array, problem: Unreadable) -> str | None:
        """What becomes of a value that cannot be decoded."""
        if self.quarantine is None:
            raise problem
        rows = pc.indices_nonzero(pc.equal(raw, pa.scalar(value, pa.binary()))).to_pylist()
        if self.quarantine.policy("text") == FIX:
            self._notes.counts["text_replaced"] += len(rows)
            return value.decode(self._arrives_in, "replace")
        for row in rows:
            self.quarantine.meet("text", row, problem, name, value.decode("ascii", "backslashreplace"))
        return None

    def _failed(self, what: str, place: str) -> Unreadable:
        if self._declared is None:
            message = f"Nothing says how text is encoded, and {what} is not UTF-8."
        else:
            message = f"{self._speaker} says {self._declared}, but {what} is not well-formed in it."
        return Unreadable("wrong_encoding", message, ENCODING_REMEDY, place)

    @property
    def _speaker(self) -> str:
        """Who says it, at the beginning of a sentence."""
        return self._by[:1].upper() + self._by[1:]

    @staticmethod
    def _place(raw: pa.Array, value: bytes, first_row: int, layer: str) -> str:
        row = pc.index(raw, pa.scalar(value, pa.binary())).as_py()
        return f"layer {layer}, feature {first_row + row + 1}"


def _is_ascii(raw: pa.Array) -> bool:
    _, offsets, data = raw.buffers()
    if data is None:
        return True
    ends = memoryview(offsets).cast("i")
    start, end = ends[raw.offset], ends[raw.offset + len(raw)]
    return bytes(memoryview(data)[start:end]).isascii()


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
