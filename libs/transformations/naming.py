"""Columns as steps name them: one, a list, or an object that gives each another name."""

from typing import Annotated, Any

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

_Given = str | list[str] | dict[str, str]


def _names(said: Any) -> tuple[str, ...] | dict[str, str]:
    """Names, at least one, none twice.

    Raises:
        PydanticCustomError: for anything else, once.
    """
    given = [said] if isinstance(said, str) else said
    texts = [*given.keys(), *given.values()] if isinstance(given, dict) else given
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(each, str) and each for each in texts):
        raise PydanticCustomError(
            "names", 'Input should be a name, a list of names such as ["id"], or an object such as {"id": "other_id"}'
        )
    if not isinstance(given, dict) and len(set(texts)) < len(texts):
        raise PydanticCustomError("names", "Input should not name a column twice")
    return dict(given) if isinstance(given, dict) else tuple(given)


def _names_or_none(said: Any) -> tuple[str, ...] | dict[str, str] | None:
    """The same; an empty list is none at all."""
    if said is None:
        return None
    return () if isinstance(said, list | tuple) and not said else _names(said)


Names = Annotated[tuple[str, ...] | dict[str, str], PlainValidator(_names, json_schema_input_type=_Given)]
NamesOrNone = Annotated[
    tuple[str, ...] | dict[str, str] | None, PlainValidator(_names_or_none, json_schema_input_type=_Given | None)
]
