"""Parameters that a recipe declares, and the values that a manifest gives them."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, JsonValue, Strict, StringConstraints, TypeAdapter, ValidationError

from libs.models import Model
from libs.transformations.references import REFERENCE, references

_Text = Annotated[str, StringConstraints(min_length=1)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class ParameterType(StrEnum):
    """What kind of value a parameter takes."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CRS = "crs"
    NAMES = "names"
    NUMBERS = "numbers"
    OBJECT = "object"
    VALUE = "value"

    def check(self, value: Any) -> Any:
        """The value as a recipe will use it.

        Raises:
            ValueError: when it is of another type, with what is wrong for the uploader.
        """
        if any(references(value)):
            raise ValueError(f"{REFERENCE!r} has a meaning in recipes only")
        adapter, expected = _TYPES[self]
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise ValueError(f"{value!r} is not {expected}") from error


_TYPES: dict[ParameterType, tuple[TypeAdapter[Any], str]] = {
    ParameterType.TEXT: (TypeAdapter(_Text), "a text"),
    ParameterType.NUMBER: (TypeAdapter(Annotated[_Number, Strict()]), "a number"),
    ParameterType.INTEGER: (TypeAdapter(Annotated[int, Strict()]), "a whole number"),
    ParameterType.BOOLEAN: (TypeAdapter(Annotated[bool, Strict()]), "true or false"),
    ParameterType.CRS: (TypeAdapter(_Text), "a CRS such as 'EPSG:3857', or WKT"),
    ParameterType.NAMES: (TypeAdapter(Annotated[list[_Text], Field(min_length=1)]), "a list of at least one name"),
    ParameterType.NUMBERS: (
        TypeAdapter(Annotated[list[Annotated[_Number, Strict()]], Field(min_length=1)]),
        "a list of at least one number",
    ),
    ParameterType.OBJECT: (TypeAdapter(dict[str, Any]), "an object"),
    ParameterType.VALUE: (TypeAdapter(Any), "a value"),
}


class Parameter(Model):
    """A declared parameter of a recipe.

    Attributes:
        type: Of its value. What a step makes of an ``object`` (a length, a condition, a polygon) is checked by the step.
        required: Whether a manifest must give it.
        default: Its value when not given; None: a step that refers to it does without, as if the key were not there.
        description: For the author of a manifest.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    type: ParameterType
    required: bool = False
    default: JsonValue = None
    description: Annotated[str, StringConstraints(min_length=1)]
