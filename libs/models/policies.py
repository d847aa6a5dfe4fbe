"""What to do with rows that cannot be kept as they are, and with a version unlike the one before.

Policies are data, in a manifest for a file or the batch, or in a recipe.
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PlainValidator, SerializerFunctionWrapHandler, model_serializer
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


NumberOrShare = Annotated[int | float | None, PlainValidator(_number_or_share, json_schema_input_type=_MaxSetAside)]
"""A number of features, or a share of them."""

ChangePolicy = Literal["allow", "warn", "reject"]
"""What becomes of a new version that differs from the one before. In order, the strictest last."""


class OnChange(Model):
    """Policies for a new version that differs from the one before, by what differs. What nobody says is in ``DEFAULT_ON_CHANGE``.

    Attributes:
        name: Another name of file or layer that makes the same identifier (``roads (1)``, ``Roads-1``), or an identifier that
            differs from that of another dataset by case alone.
        kind: A table in place of a layer, or the other way round.
        crs: Another CRS.
        columns: Columns that are new, gone, or of another type.
        geometry_types: Types of geometry that are new or gone.
        features: No feature at all, or a tenth or less of those before.
        extent: An extent that lies apart from the one before.
        pixels: Of a raster, other sizes in pixels, and bands that are new, gone, or of another type.
    """

    name: ChangePolicy | None = None
    kind: ChangePolicy | None = None
    crs: ChangePolicy | None = None
    columns: ChangePolicy | None = None
    geometry_types: ChangePolicy | None = None
    features: ChangePolicy | None = None
    extent: ChangePolicy | None = None
    pixels: ChangePolicy | None = None

    @property
    def given(self) -> dict[str, ChangePolicy]:
        """The policies that it has, by what differs."""
        return {name: policy for name in type(self).model_fields if (policy := getattr(self, name)) is not None}

    @model_serializer(mode="wrap")
    def _without_what_it_does_not_say(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = dump(self)
        return {name: policy for name, policy in data.items() if policy is not None}


DEFAULT_ON_CHANGE = OnChange(
    name="reject", kind="reject", crs="warn", columns="warn", geometry_types="warn", features="warn", extent="warn", pixels="warn"
)
"""What holds when nothing else is said: refused is what is hardly ever the same dataset."""


def _of_all(said: object) -> object:
    """One word for everything that may differ."""
    if isinstance(said, str) and said not in get_args(ChangePolicy):
        raise PydanticCustomError(
            "on_change", "Input should be 'allow', 'warn', 'reject', or an object such as {\"crs\": \"reject\"}"
        )
    return dict.fromkeys(OnChange.model_fields, said) if isinstance(said, str) else said


class Policies(Model):
    """Policies for bad rows and for changes. What a file does not say, the batch says; then the recipe; else it is ``reject``.

    Attributes:
        on_bad_value: A value that its column cannot hold: ``reject`` the batch; ``set_aside`` the feature; make it ``null``.
        on_bad_geometry: A geometry that cannot be read or placed; also ``fix`` it where a standard fix exists.
        on_bad_text: Text that cannot be decoded; also ``fix``: replace the bytes that are no text.
        max_set_aside: How many features of a dataset may be set aside: a number such as 100, or a share such as 0.01 or "1%",
            which is what holds when it is not given. With more, the batch is rejected.
        on_change: A new version that differs from the one before, by what differs: ``reject`` the batch; ``warn``; ``allow`` it
            without a word. One of these words alone is for everything. When not given: ``reject`` another ``kind`` or
            ``name``, ``warn`` of the rest.
    """

    on_bad_value: ValuePolicy | None = None
    on_bad_geometry: FixablePolicy | None = None
    on_bad_text: FixablePolicy | None = None
    max_set_aside: NumberOrShare = None
    on_change: Annotated[OnChange | None, BeforeValidator(_of_all, json_schema_input_type=ChangePolicy | OnChange | None)] = None


def effective(*levels: Policies) -> Policies:
    """The policies in force: of each the first that is given, and of ``on_change`` of each thing that may differ.

    Args:
        levels: Who may say it, the one that wins first: file, batch, recipe.
    """
    said = ((name, [value for level in levels if (value := getattr(level, name)) is not None]) for name in Policies.model_fields)
    return Policies(**{name: _first(values) for name, values in said if values})


def _first(values: list[Any]) -> Any:
    if not isinstance(values[0], OnChange):
        return values[0]
    return OnChange(**{name: policy for level in reversed(values) for name, policy in level.given.items()})


def on_change(*files: Policies) -> Mapping[str, ChangePolicy]:
    """What becomes of each thing that may differ. Of files that are appended to each other, the strictest counts.

    Args:
        files: The policies in force of each.
    """
    strictness = get_args(ChangePolicy)
    default = DEFAULT_ON_CHANGE.given
    each = [default | (policies.on_change.given if policies.on_change else {}) for policies in files]
    return {name: max((said[name] for said in each), key=strictness.index) for name in default}


def allowed(policies: Policies, features: int) -> int:
    """How many of so many features may be set aside."""
    most = policies.max_set_aside
    if isinstance(most, int):
        return most
    share = DEFAULT_MAX_SET_ASIDE if most is None else most
    return math.ceil(round(features * share, 6))  # of a few features, one; rounded, since 0.07 of 100 is a little above 7
