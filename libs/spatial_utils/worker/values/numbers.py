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

    def plain(self, texts: pa.Array) -> pa.Array | None:
        """The same numbers with a decimal point and without groups; None when one of the texts is no number in this spelling."""
        if self == PLAIN:
            return texts
        separators = f"[{re.escape(self.thousands)}{SPACES if self.thousands == ' ' else ''}]" if self.thousands else None
        whole = "(?:0|[1-9][0-9]*)?" if separators is None else f"(?:0|[1-9][0-9]{{0,2}}(?:{separators}[0-9]{{3}})+|[1-9][0-9]*)?"
        pattern = rf"^[ \t]*-?{whole}(?:{re.escape(self.decimal)}[0-9]*)?(?:[eE][-+]?[0-9]{{1,3}})?[ \t]*$"
        if not pc.all(pc.match_substring_regex(texts, pattern)).as_py():
            return None
        if separators is not None:
            texts = pc.replace_substring_regex(pc.utf8_trim(texts, " \t"), separators, "")
        return pc.replace_substring(texts, self.decimal, ".")


PLAIN = NumberSpelling()
DECIMAL_COMMA = NumberSpelling(",")


def have_decimal_comma(texts: pa.Array) -> tuple[bool, bool]:
    """Whether all texts are numbers if a comma is the decimal separator, and whether one of them can be nothing else.

    ``1,234`` can be both; ``1,5`` and ``48,8566`` cannot be in thousands.
    """
    if not pc.all(pc.match_substring_regex(texts, _COMMA)).as_py():
        return False, False
    return True, not pc.all(pc.match_substring_regex(texts, _GROUPED)).as_py()
