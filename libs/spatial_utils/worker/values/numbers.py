"""Numbers as offices write them: with a decimal comma, in groups of thousands. Arrow reads them with a decimal point only."""

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

SPACES = "\u00a0\u202f\u2009"
"""No-break space, its narrow sibling, and the thin space: all of them separate thousands where a blank does."""
_COMMA = r"^[ \t]*-?(0|[1-9][0-9]*)?(,[0-9]*)?([eE][-+]?[0-9]{1,3})?[ \t]*$"
_GROUPED = r"^[ \t]*-?[0-9]{1,3}(,[0-9]{3})*[ \t]*$"


@dataclass(frozen=True)
class NumberSpelling:
    """How numbers are written.

    Attributes:
        decimal: The decimal separator, ``.`` or ``,``.
        thousands: What separates groups of three digits; None where nothing does.
    """

    decimal: str = "."
    thousands: str | None = None

    def fits(self, texts: pa.Array) -> pa.Array:
        """Whether each text is a number in this spelling; null for null."""
        return pc.match_substring_regex(texts, self._pattern)

    def plain(self, texts: pa.Array) -> pa.Array | None:
        """The same numbers with a decimal point and without groups; None when one of the texts is no number in this spelling."""
        if self == PLAIN:
            return texts
        if not pc.all(self.fits(texts)).as_py():
            return None
        if self.thousands is not None:
            texts = pc.replace_substring_regex(pc.utf8_trim(texts, " \t"), self._separators, "")
        return pc.replace_substring(texts, self.decimal, ".")

    @property
    def _separators(self) -> str:
        return f"[{re.escape(self.thousands or '')}{SPACES if self.thousands == ' ' else ''}]"

    @property
    def _pattern(self) -> str:
        whole = "(?:0|[1-9][0-9]*)?"
        if self.thousands is not None:
            whole = f"(?:0|[1-9][0-9]{{0,2}}(?:{self._separators}[0-9]{{3}})+|[1-9][0-9]*)?"
        return rf"^[ \t]*-?{whole}(?:{re.escape(self.decimal)}[0-9]*)?(?:[eE][-+]?[0-9]{{1,3}})?[ \t]*$"


PLAIN = NumberSpelling()
DECIMAL_COMMA = NumberSpelling(",")


def have_decimal_comma(texts: pa.Array) -> tuple[bool, bool]:
    """Whether all texts are numbers if a comma is the decimal separator, and whether one of them can be nothing else.

    ``1,234`` can be both; ``1,5`` and ``48,8566`` cannot be in thousands.
    """
    if not pc.all(pc.match_substring_regex(texts, _COMMA)).as_py():
        return False, False
    return True, not pc.all(pc.match_substring_regex(texts, _GROUPED)).as_py()
