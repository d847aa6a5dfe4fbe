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

from libs.spatial_utils.worker.values.numbers import DECIMAL_COMMA, PLAIN, NumberSpelling, have_decimal_comma

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


_NUMBERS = 2
"""The first so many types are of numbers, whose spelling matters."""


@dataclass
class TextProfile:
    """Which types take every value of a column that was seen so far.

    Attributes:
        spelling: How the file writes numbers, as the manifest says; None when it does not say: then a decimal comma is
            looked for.
        comma_is_certain: Whether one of the values is a number only if its comma is a decimal comma.
    """

    spelling: NumberSpelling | None = None
    comma_is_certain: bool = False
    _open: list[int] = field(default_factory=lambda: list(range(len(_TYPES))))
    _comma: bool = True
    _seen: bool = False

    def add(self, values: pa.Array) -> None:
        """Look at more values; empty ones say nothing."""
        look_for_comma = self._comma and self.spelling is None
        if not (self._open or look_for_comma):
            return
        values = values.filter(pc.greater(pc.binary_length(values), 0))
        if not len(values):
            return
        self._seen = True
        self._open = [kind for kind in self._open if _fits(values, kind, self.spelling or PLAIN)]
        if look_for_comma and 0 not in self._open:  # integers are written in one way
            self._comma, certain = have_decimal_comma(values)
            self._comma = self._comma and _fits(values, 1, DECIMAL_COMMA)
            self.comma_is_certain = self._comma and (certain or self.comma_is_certain)

    @property
    def type(self) -> pa.DataType:
        """The first type that is still open; text when there is none, or no value."""
        return _TYPES[self._open[0]][0] if self._open and self._seen else pa.string()

    @property
    def may_have_comma(self) -> bool:
        """Whether the values are numbers if a comma is the decimal separator, and are not otherwise."""
        return self.spelling is None and self._comma and self._seen and not self._open


def _fits(values: pa.Array, kind: int, spelling: NumberSpelling) -> bool:
    target, pattern = _TYPES[kind]
    if kind < _NUMBERS:
        plain = spelling.plain(values)
        if plain is None:
            return False
        values = plain
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


def cast(texts: pa.Array, target: pa.DataType, spelling: NumberSpelling = PLAIN) -> pa.Array:
    """A column of text as a type that takes all its values; empty texts are missing values, unless it stays text."""
    if target == pa.string():
        return texts
    if target in {pa.int64(), pa.float64()} and (plain := spelling.plain(texts)) is not None:
        texts = plain
    trimmed = pc.utf8_trim(texts, SPACE)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed).cast(target)
