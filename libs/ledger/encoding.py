"""Documents as JSON text and back, without loss: MongoDB's Extended JSON for what JSON has no word for.

A key of the document's own that begins with ``$`` gets another one in front, so that nothing is taken for a tag.
"""

import base64
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from libs.ledger.store import Document

_INT64 = range(-(2**63), 2**63)


def encode(document: Document) -> str:
    """A document as one line of JSON.

    Raises:
        TypeError: for a value or key of a type that no store keeps.
        ValueError: for a naive datetime or one finer than milliseconds, an integer beyond 64 bits, text that is no Unicode.
    """
    text = json.dumps(_tagged(document), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text.encode()  # refuses half surrogate pairs, which no store can keep
    return text


def decode(text: str) -> Document:
    """The document again."""
    document: Document = _untagged(json.loads(text))
    return document


def _tagged(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _tagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tagged(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            if value not in _INT64:
                raise ValueError(f"{value} does not fit 64 bits.")
            return value
        case float():
            return value if math.isfinite(value) else {"$numberDouble": repr(value)}
        case datetime():
            if value.tzinfo is None or value.microsecond % 1000:
                raise ValueError(f"{value!r} is not an aware datetime of whole milliseconds.")
            return {"$date": value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        case bytes():
            return {"$binary": base64.b64encode(value).decode()}
        case Decimal():
            return {"$numberDecimal": str(value)}
    raise TypeError(f"A {type(value).__name__} is nothing that a document can hold.")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{key!r} is not text, as keys of documents are.")
    return f"${key}" if key.startswith("$") else key


_TAGS: dict[str, Callable[[str], Any]] = {
    "$numberDouble": float,
    "$date": datetime.fromisoformat,
    "$binary": base64.b64decode,
    "$numberDecimal": Decimal,
}


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    for key, item in value.items():
        if key in _TAGS:
            return _TAGS[key](item)
    return {key.removeprefix("$"): _untagged(item) for key, item in value.items()}
