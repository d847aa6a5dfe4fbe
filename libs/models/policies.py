"""What to do with rows that cannot be kept as they are: data, in a manifest for a file or the batch, or in a recipe."""

import math
import re
from typing import Annotated, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from libs.models.base import Model

ValuePolicy = Literal["reject", "set_aside", "null"]
FixablePolicy = Literal["reject", "set_aside", "null", "fix"]

DEFAULT_MAX_SET_ASIDE = 0.01
"""Share of a dataset's features that may be set aside when nothing else is said: more is no exception, but another file."""

_MaxSetAside = (
    Annotated[int, Field(ge=0)]
    | Annotated[float, Field(ge=0, le=1)]
    | Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]+)? ?%$")]
    | None
)
"""As people write it, for the JSON Schema."""
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?) ?%")


def _number_or_share(said: object) -> int | float | None:
    """A number of features, or a share; one that is written in percent as a number."""
    percent = _PERCENT.fullmatch(said) if isinstance(said, str) else None
    value = float(percent[1]) / 100 if percent else said
    if value is None or (type(value) is int and value >= 0) or (isinstance(value, float) and 0 <= value <= 1):
        return value
    raise PydanticCustomError(
        "number_or_share", 'Input should be a number of features, such as 100, or a share, such as 0.01 or "1%"'
    )


class Policies(Model):
    """Policies for bad rows. What a file does not say, the batch says; then the recipe; else it is ``reject``.

    Attributes:
        on_bad_value: A value that its column cannot hold: ``reject`` the batch; ``set_aside`` the feature; make it ``null``.
        on_bad_geometry: A geometry that cannot be read or placed; also ``fix`` it where a standard fix exists.
        on_bad_text: Text that cannot be decoded; also ``fix``: replace the bytes that are no text.
        max_set_aside: How many features of a dataset may be set aside: a number such as 100, or a share such as 0.01 or "1%",
            which is what holds when it is not given. With more, the batch is rejected.
    """

    on_bad_value: ValuePolicy | None = None
    on_bad_geometry: FixablePolicy | None = None
    on_bad_text: FixablePolicy | None = None
    max_set_aside: Annotated[int | float | None, PlainValidator(_number_or_share, json_schema_input_type=_MaxSetAside)] = None


def effective(*levels: Policies) -> Policies:
    """The policies in force: of each the first that is given.

    Args:
        levels: Who may say it, the one that wins first: file, batch, recipe.
    """
    said = ((name, [value for level in levels if (value := getattr(level, name)) is not None]) for name in Policies.model_fields)
    return Policies(**{name: values[0] for name, values in said if values})


def allowed(policies: Policies, features: int) -> int:
    """How many of so many features may be set aside."""
    most = policies.max_set_aside
    if isinstance(most, int):
        return most
    share = DEFAULT_MAX_SET_ASIDE if most is None else most
    return math.ceil(round(features * share, 6))  # of a few features, one; rounded, since 0.07 of 100 is a little above 7
