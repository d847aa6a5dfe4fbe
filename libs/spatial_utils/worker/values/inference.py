"""Types of columns of text: the narrowest that every value keeps its meaning in.

What counts as a number is narrow on purpose: ``00123`` and ``+49`` are codes; an integer beyond 64 bits, or with more digits than
a double holds, stays text, and so does what is too large or too small for a double. A number keeps its value, not its spelling:
``1.10`` is 1.1.
"""

import sys
from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

SPACE = " \t"
"""What may surround a number."""

_TYPES: tuple[tuple[pa.DataType, str], ...] = (
    # the first whose pattern and whose cast every value of a column passes
    (pa.int64(), r"^[ \t]*-?(0|[1-9][0-9]{0,18})[ \t]*$"),
    (pa.float64(), r"^[ \t]*-?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?[ \t]*$"),
    (pa.date32(), r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    (pa.timestamp("us"), r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$"),
    (pa.timestamp("us", "UTC"), r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?Z$"),
    (pa.bool_(), r"^(true|false)$"),
)
_TOO_PRECISE = r"[1-9](\.?[0-9]){17,}|^[ \t]*-?[0-9]{16,}[ \t]*$"
_WITHOUT_DIGIT = r"^[^0-9]*$"
_NOT_ZERO = r"^[^eE]*[1-9]"
_WHOLE = 2.0**53
"""From here on doubles leave out whole numbers."""


@dataclass
class TextProfile:
    """Which types take every value of a column that was seen so far."""

    _open: list[int] = field(default_factory=lambda: list(range(len(_TYPES))))
    _seen: bool = False

    def add(self, values: pa.Array) -> None:
        """Look at more values; empty ones say nothing."""
        if not self._open:
            return
        values = values.filter(pc.greater(pc.binary_length(values), 0))
        if len(values):
            self._seen = True
            self._open = [kind for kind in self._open if _fits(values, kind)]

    @property
    def type(self) -> pa.DataType:
        """The first type that is still open; text when there is none, or no value."""
        return _TYPES[self._open[0]][0] if self._open and self._seen else pa.string()


def _fits(values: pa.Array, kind: int) -> bool:
    target, pattern = _TYPES[kind]
    if not pc.all(pc.match_substring_regex(values, pattern)).as_py():
        return False
    try:
        found = cast(values, target)
    except pa.ArrowInvalid:
        return False
    return target != pa.float64() or _doubles_keep(values, found)


def _doubles_keep(texts: pa.Array, values: pa.Array) -> bool:
    """Whether texts that look like numbers mean what is left of them in doubles."""
    lost = pc.or_(pc.match_substring_regex(texts, _TOO_PRECISE), pc.match_substring_regex(texts, _WITHOUT_DIGIT))
    if pc.any(lost).as_py() or not pc.all(pc.is_finite(values)).as_py():
        return False
    size = pc.abs(values)
    tiny = pc.and_(pc.less(size, sys.float_info.min), pc.match_substring_regex(texts, _NOT_ZERO))
    doubtful = texts.filter(pc.or_(tiny, pc.greater_equal(size, _WHOLE)))
    return all(Decimal(text.strip(SPACE)) == Decimal(repr(float(text))) for text in doubtful.to_pylist())


def cast(texts: pa.Array, target: pa.DataType) -> pa.Array:
    """A column of text as a type that takes all its values; empty texts are missing values, unless it stays text."""
    if target == pa.string():
        return texts
    trimmed = pc.utf8_trim(texts, SPACE)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed).cast(target)
