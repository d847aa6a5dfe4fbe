"""Text that others wrote, made harmless for whoever looks at it: names of files and layers, values, messages that quote them.

A leaf: every layer imports it. It changes what is shown, never what is stored.
"""

import json
import logging
import re
from typing import Any

_BEYOND_ASCII = (
    "\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U00013430-\U00013438\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
"""Characters that steer a terminal, change the order of the text, are not seen, break a line, or are half a character."""

_UNSAFE = re.compile(f"[\x00-\x1f{_BEYOND_ASCII}]")
_UNSAFE_IN_JSON = re.compile(f"[{_BEYOND_ASCII}]")


def inert(text: str, keep: str = "") -> str:
    r"""A text with each unsafe character as a visible escape, such as ``\x1b`` or ``\u202e``; everything else stays.

    Args:
        text: From anywhere.
        keep: Unsafe characters that stay, such as the line breaks of a text of several lines.
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else found[0].encode("unicode_escape").decode(), text)


def inert_json(document: str) -> str:
    """A JSON document that means the same, with JSON's escapes for unsafe characters. Line breaks between values stay."""
    return _UNSAFE_IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], document)


class InertFormatter(logging.Formatter):
    """Log lines whose message is one line, whatever it quotes. A traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line of a record, without its traceback."""
        record.message = inert(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """The traceback of a record."""
        return inert(super().formatException(ei), keep="\n")
