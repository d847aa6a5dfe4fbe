"""What users wrote, as it may stand in what Dagster shows: names, layers, messages and reasons stay text there."""

import re
import unicodedata

_MARKUP = re.compile(r"""[\\`*_\[\]()<>#!|~&$@]|(?<=http):|(?<=https):|(?<=ftp):|(?<=www)\.""", re.IGNORECASE)
"""What Markdown makes something of within a line: markup, HTML, and addresses."""
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that nobody sees, or that change the order of others."""


def plain(text: str) -> str:
    r"""Text on one line, without characters that nobody sees: they are written as escapes.

    >>> plain("a" + chr(10) + chr(0x202E) + "b")
    'a\\u000a\\u202eb'
    """
    return "".join(_escaped(each) if unicodedata.category(each) in _UNSEEN else each for each in text)


def inert(text: str) -> str:
    """Text of a user within a line of Markdown: no markup, no HTML, no link is made of it.

    >>> inert("<b>roads_*</b>")
    '&#60;b&#62;roads&#95;&#42;&#60;/b&#62;'
    """
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", plain(text))


def _escaped(character: str) -> str:
    code = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{code[at : at + 4]}" for at in range(0, len(code), 4))
