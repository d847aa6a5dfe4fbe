"""What users wrote, as it may stand in what Dagster shows: names, layers, messages and reasons stay text there."""

import re

from libs.raw_text import inert as plain

__all__ = ["inert", "plain"]

_MARKUP = re.compile(r"""[\\`*_\[\]()<>#!|~&$@]|(?<=http):|(?<=https):|(?<=ftp):|(?<=www)\.""", re.IGNORECASE)
"""What Markdown makes something of within a line: markup, HTML, and addresses."""


def inert(text: str) -> str:
    """Text of a user within a line of Markdown: no markup, no HTML, no link is made of it.

    >>> inert("<b>roads_*</b>")
    '&#60;b&#62;roads&#95;&#42;&#60;/b&#62;'
    """
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", plain(text))
