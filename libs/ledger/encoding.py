"""Documents in the forms that stores keep, and back, without loss: JSON text, and what BSON servers agree on.

What a form has no word for stands in it as a document with one key, a tag: those of MongoDB's Extended JSON and a few like them.
Keys of the document's own are escaped, so that nothing is taken for a tag.
"""

import base64
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from libs.ledger.store import Document

_INT64 = range(-(2**63), 2**63)

_KEYS = 4096
"""Spellings of keys that are remembered: documents have few keys, many times."""


def encode(document: Document) -> str:
    """A document as one line of JSON.

    Raises:
        TypeError: for a value or key of a type that no store keeps.
        ValueError: for a naive datetime or one finer than milliseconds, an integer beyond 64 bits, text that is no Unicode.
    """
    text = json.dumps(_JSON.pack(document), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text.encode()  # refuses half surrogate pairs, which no store can keep
    return text


def decode(text: str) -> Document:
    """The document again.

    Raises:
        ValueError, TypeError, AttributeError, ArithmeticError: when it is no document: the text was changed or damaged.
    """
    document: Document = _JSON.unpack(json.loads(text))
    if not isinstance(document, dict):
        raise TypeError(f"A {type(document).__name__} is no document.")
    return document


def to_bson(document: Document) -> Document:
    """A document of values that all servers of the MongoDB protocol keep, under keys that all of them take.

    Raises:
        TypeError: as :func:`encode`.
        ValueError: as :func:`encode`; half surrogate pairs aside, which BSON itself refuses.
    """
    packed: Document = _BSON.pack(document)
    return packed


def from_bson(packed: Document) -> Document:
    """The document again."""
    document: Document = _BSON.unpack(packed)
    return document


class _Form(ABC):
    """How a form spells keys and values.

    Attributes:
        mark: What its tags begin with.
    """

    mark: str

    def __init__(self) -> None:
        self._key = lru_cache(_KEYS)(self._escaped_key)
        self._own_key = lru_cache(_KEYS)(self.unescaped)

    def pack(self, value: Any) -> Any:
        if isinstance(value, dict):
            key = self._key  # most values are text, and not worth a call each
            return {
                key(name): item if item is None or (type(item) is str and "\0" not in item) else self.pack(item)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self.item(item) for item in value]
        return self.scalar(_checked(value))

    def unpack(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item if type(item) is str else self.unpack(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value)  # BSON readers have a class of their own for the large ones
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, item),) = value.items()
            if name.startswith(self.mark) and (untag := _TAGS.get(name[1:])):
                return self.unpack(untag(item))
        key = self._own_key
        return {key(name): item if item is None or type(item) is str else self.unpack(item) for name, item in value.items()}

    def tagged(self, name: str, value: Any) -> Document:
        return {f"{self.mark}{name}": value}

    def _escaped_key(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(f"{key!r} is not text, as keys of documents are.")
        return self.escaped(key)

    def item(self, item: Any) -> Any:
        """An item of a list."""
        return self.pack(item)

    @abstractmethod
    def scalar(self, value: Any) -> Any: ...

    @abstractmethod
    def escaped(self, key: str) -> str: ...

    @abstractmethod
    def unescaped(self, key: str) -> str: ...


class _Json(_Form):
    """JSON: moments as text that sorts; a key that begins with ``$`` gets another one in front."""

    mark = "$"

    def scalar(self, value: Any) -> Any:
        match value:
            case float():
                return value if math.isfinite(value) else self.tagged("numberDouble", repr(value))
            case datetime():
                text = value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                return self.tagged("date", text)
            case bytes():
                return self.tagged("binary", base64.b64encode(value).decode())
            case Decimal():
                return self.tagged("numberDecimal", str(value))
        return value

    def escaped(self, key: str) -> str:
        return f"${key}" if key.startswith("$") else key

    def unescaped(self, key: str) -> str:
        return key.removeprefix("$")


class _Bson(_Form):
    """BSON without what some server of the protocol refuses, changes or breaks at (each met in one).

    That is: keys that are empty, that hold ``.`` or begin with ``$``, an ``_id`` of a document's own; text with NUL; numbers that
    are not finite or a negative zero; decimals; lists in lists. Keys are escaped as URLs are, an empty one is ``%``.
    """

    mark = "%"

    def item(self, item: Any) -> Any:
        return self.tagged("list", self.pack(item)) if isinstance(item, list) else self.pack(item)

    def scalar(self, value: Any) -> Any:
        match value:
            case str() if "\0" in value:
                return self.tagged("text", value.replace("%", "%25").replace("\0", "%00"))
            case float() if not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0):
                return self.tagged("numberDouble", repr(value))
            case Decimal():
                return self.tagged("numberDecimal", str(value))
        return value

    def escaped(self, key: str) -> str:
        if key in {"", "_id"}:
            return "%5Fid" if key else "%"
        return re.sub(r"[%.\0]|^\$", lambda found: f"%{ord(found[0]):02X}", key)

    def unescaped(self, key: str) -> str:
        return "" if key == "%" else re.sub("%([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), key)


_JSON, _BSON = _Json(), _Bson()

_TAGS: dict[str, Callable[[Any], Any]] = {
    "numberDouble": float,
    "numberDecimal": Decimal,
    "date": datetime.fromisoformat,
    "binary": base64.b64decode,
    "text": unquote,
    "list": list,
}


def _checked(value: Any) -> Any:
    """A value, if it is one that every store keeps."""
    match value:
        case None | bool() | str() | float() | bytes() | Decimal():
            return value
        case int():
            if value not in _INT64:
                raise ValueError(f"{value} does not fit 64 bits.")
            return value
        case datetime():
            if value.tzinfo is None or value.microsecond % 1000:
                raise ValueError(f"{value!r} is not an aware datetime of whole milliseconds.")
            return value
    raise TypeError(f"A {type(value).__name__} is nothing that a document can hold.")
