"""Quality rules as data: what must hold for the features of a dataset, and for a dataset as a whole.

A rule of a feature says nothing of a missing value: ``not_null`` and ``has_geometry`` do.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    StringConstraints,
    Tag,
    model_serializer,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from libs.models.base import BBox, Model, Record
from libs.models.inputs import VERSION_PATTERN

Severity = Literal["reject", "set_aside", "warn"]
"""What becomes of a batch with features that break a rule."""

_Name = Annotated[str, Field(min_length=1)]


def _scalar(said: object) -> object:
    if isinstance(said, bool | int | float | str):
        return said
    raise PydanticCustomError("scalar", "Input should be a text, a number, true or false")


_Value = Annotated[bool | int | float | str, PlainValidator(_scalar, json_schema_input_type=bool | int | float | str)]
_Share = Annotated[float, Field(ge=0, le=1)]


def _several(said: object) -> object:
    """One column may be written without a list."""
    return [said] if isinstance(said, str) else said


_Names = Annotated[
    Annotated[tuple[_Name, ...], Field(min_length=1, max_length=16)],
    BeforeValidator(_several, json_schema_input_type=_Name | list[_Name]),
]


class QualityRule(Model):
    """What every rule has.

    Attributes:
        rule: Which rule it is.
        severity: ``reject`` the batch, which holds when it is not given; ``warn``; or, of rules of single features,
            ``set_aside`` the features that break it.
        name: What reports call it, where its own words are not enough.
    """

    rule: str
    severity: Severity = "reject"
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)] | None = None

    @model_serializer(mode="wrap")
    def _with_its_name(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Its word is always there, also where defaults are left out; what is not given is not."""
        return {"rule": self.rule} | {key: value for key, value in dump(self).items() if value is not None}

    @property
    def label(self) -> str:
        """What reports call it: ``in_range floors``."""
        return self.name or " ".join(filter(None, (self.rule, ", ".join(self.columns_named))))

    @property
    def columns_named(self) -> tuple[str, ...]:
        """The columns of the dataset that it names."""
        named = getattr(self, "columns", None) or getattr(self, "column", None) or ()
        return (named,) if isinstance(named, str) else tuple(named)

    @property
    def of_rows(self) -> bool:
        """Whether it judges each feature by itself."""
        return isinstance(self, RowRule)


class RowRule(QualityRule):
    """A rule of single features. It judges what the recipe's steps leave."""


class DatasetRule(QualityRule):
    """A rule of a whole dataset. It judges the version as it would be in the lake, after it has grown."""

    severity: Literal["reject", "warn"] = "reject"


class NotNull(RowRule):
    """The column has a value in every feature.

    Attributes:
        column: The column, as it is called in the lake.
    """

    rule: Literal["not_null"] = "not_null"
    column: _Name


class InRange(RowRule):
    """The values of the column lie in a range.

    Attributes:
        column: The column.
        min: The least value that is allowed; dates and times as ISO 8601 text.
        max: The largest.
    """

    rule: Literal["in_range"] = "in_range"
    column: _Name
    min: _Value | None = None
    max: _Value | None = None

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give 'min', 'max', or both")
        ends = [each for each in (self.min, self.max) if isinstance(each, int | float)]
        if ends != sorted(ends):
            raise ValueError("'min' is larger than 'max'")
        return self


class InSet(RowRule):
    """The values of the column are some of a list.

    Attributes:
        column: The column.
        values: All that are allowed.
    """

    rule: Literal["in_set"] = "in_set"
    column: _Name
    values: Annotated[tuple[_Value, ...], Field(min_length=1, max_length=10_000)]


class Matches(RowRule):
    r"""The text in the column, as a whole, fits a regular expression.

    Attributes:
        column: The column.
        pattern: Of characters, ``.``, classes such as ``[A-Z]``, ``\d``, ``\w`` and ``\s`` (ASCII), groups, ``|``, and the
            repetitions ``?``, ``*``, ``+``, ``{2,5}``.
    """

    rule: Literal["matches"] = "matches"
    column: _Name
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class HasGeometry(RowRule):
    """Every feature has a geometry, and it is not empty."""

    rule: Literal["has_geometry"] = "has_geometry"


class GeometryValid(RowRule):
    """The geometries are valid."""

    rule: Literal["geometry_valid"] = "geometry_valid"


class GeometrySimple(RowRule):
    """No geometry crosses or touches itself where it must not, such as a line that runs over itself."""

    rule: Literal["geometry_simple"] = "geometry_simple"


_GeometryType = Literal[
    "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"
]  # fmt: skip


class GeometryType(RowRule):
    """The geometries are of some types.

    Attributes:
        types: All that are allowed, whether with heights or without.
    """

    rule: Literal["geometry_type"] = "geometry_type"
    types: Annotated[tuple[_GeometryType, ...], Field(min_length=1, max_length=7)]


class Within(RowRule):
    """The geometries lie in an area; its border belongs to it.

    Attributes:
        bbox: xmin, ymin, xmax, ymax; or
        area: Polygon or multipolygon as WKT.
        crs: Of either. Not given: that of the result for ``bbox``, ``EPSG:4326`` for ``area``.
    """

    rule: Literal["within"] = "within"
    bbox: BBox | None = None
    area: Annotated[str, StringConstraints(min_length=1)] | None = None
    crs: Annotated[str, StringConstraints(min_length=1)] | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.bbox is None) == (self.area is None):
            raise ValueError("give either 'bbox' or 'area'")
        if self.bbox is not None:
            xmin, ymin, xmax, ymax = self.bbox
            if not (all(map(math.isfinite, self.bbox)) and xmin <= xmax and ymin <= ymax):
                raise ValueError("'bbox' is [xmin, ymin, xmax, ymax], the smaller numbers first")
        return self


class Unique(DatasetRule):
    """No two features have the same values in the columns. A feature without a value in one of them is not compared.

    Attributes:
        columns: The column, or a list of columns.
    """

    rule: Literal["unique"] = "unique"
    columns: _Names


class ForeignKey(DatasetRule):
    """Each value is one of another dataset. A feature without a value in one of the columns is not compared.

    Attributes:
        columns: The column, or a list of columns.
        dataset: The other dataset, as it is now, or as the same batch makes it; or ``<id>@<N>`` for a certain version.
        refers_to: Its columns, in the same order; those of the same names when not given.
    """

    rule: Literal["foreign_key"] = "foreign_key"
    columns: _Names
    dataset: Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
    refers_to: _Names | None = None

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        if self.refers_to is not None and len(self.refers_to) != len(self.columns):
            raise ValueError("'refers_to' has another number of columns than 'columns'")
        return self


class Features(DatasetRule):
    """The number of features is as expected.

    Attributes:
        min: At least so many.
        max: At most so many.
        min_share: At least this share of the number in the version before: 0.5 stops a delivery of less than half.
        max_times: At most so many times the number in the version before.
    """

    rule: Literal["features"] = "features"
    min: Annotated[int, Field(ge=0)] | None = None
    max: Annotated[int, Field(ge=0)] | None = None
    min_share: _Share | None = None
    max_times: Annotated[float, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if (self.min, self.max, self.min_share, self.max_times) == (None, None, None, None):
            raise ValueError("give 'min', 'max', 'min_share' or 'max_times'")
        return self


class Extent(DatasetRule):
    """The extent is much like that of the version before.

    Attributes:
        min_share: At least this share of the extent before lies in the extent now.
        max_times: The extent now has at most so many times the area.
    """

    rule: Literal["extent"] = "extent"
    min_share: _Share | None = None
    max_times: Annotated[float, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if (self.min_share, self.max_times) == (None, None):
            raise ValueError("give 'min_share' or 'max_times'")
        return self


class Fresh(DatasetRule):
    """The newest date or time of a column is not long ago.

    Attributes:
        column: The column.
        max_days: At most so many days before the delivery is processed.
    """

    rule: Literal["fresh"] = "fresh"
    column: _Name
    max_days: Annotated[float, Field(ge=0, le=100_000)]


RULES: Mapping[str, type[QualityRule]] = {
    str(model.model_fields["rule"].default): model
    for model in (
        NotNull, InRange, InSet, Matches, HasGeometry, GeometryValid, GeometrySimple, GeometryType, Within, Unique, ForeignKey,
        Features, Extent, Fresh,
    )
}  # fmt: skip
"""All rules, by name. A further one is a model here, and what judges it: of features in ``libs.transformations.rules``, of a
dataset in ``libs.pipeline.dataset_rules``."""


def _tag(rule: Any) -> str | None:
    name = rule.get("rule") if isinstance(rule, dict) else getattr(rule, "rule", None)
    return name if isinstance(name, str) else None


AnyRule = Annotated[
    Annotated[NotNull, Tag("not_null")]
    | Annotated[InRange, Tag("in_range")]
    | Annotated[InSet, Tag("in_set")]
    | Annotated[Matches, Tag("matches")]
    | Annotated[HasGeometry, Tag("has_geometry")]
    | Annotated[GeometryValid, Tag("geometry_valid")]
    | Annotated[GeometrySimple, Tag("geometry_simple")]
    | Annotated[GeometryType, Tag("geometry_type")]
    | Annotated[Within, Tag("within")]
    | Annotated[Unique, Tag("unique")]
    | Annotated[ForeignKey, Tag("foreign_key")]
    | Annotated[Features, Tag("features")]
    | Annotated[Extent, Tag("extent")]
    | Annotated[Fresh, Tag("fresh")],
    Discriminator(_tag),
]


class WithRules(Model):
    """What may have quality rules. Those of file, batch and recipe hold together.

    Attributes:
        rules: What must hold for the features and for the dataset as a whole, each with what becomes of the batch else.
    """

    rules: Annotated[tuple[AnyRule, ...], Field(max_length=100)] = ()


class RuleResult(Record):
    """What a rule found in a version.

    Attributes:
        rule: As it was written, without what holds anyway.
        label: What reports call it.
        severity: A :data:`Severity`, or one of a later release.
        failed: Features that break it; of a rule of a whole dataset, 1 where it does not hold.
        said: What was found, in words; empty where nothing is wrong.
        against: The version that was compared with, ``<dataset_id>@<N>``; None where there was none.
    """

    rule: dict[str, Any]
    label: str
    severity: str
    failed: int = 0
    said: str = ""
    against: str | None = None

    @classmethod
    def of(cls, rule: QualityRule, failed: int = 0, said: str = "", against: str | None = None) -> Self:
        """What a rule found."""
        written = rule.model_dump(mode="json", exclude_defaults=True)
        return cls(rule=written, label=rule.label, severity=rule.severity, failed=failed, said=said, against=against)


def rules_of(*levels: WithRules) -> tuple[QualityRule, ...]:
    """The rules that hold, each once.

    Args:
        levels: Who may say some: files, batch, recipe.
    """
    return tuple(dict.fromkeys(rule for level in levels for rule in level.rules))


def is_of_rule(location: Sequence[int | str]) -> bool:
    """Whether an error in a manifest is in one of its rules: ``rules[0].min``, ``files[2].rules[0]``."""
    return any(len(location) > place + 1 and location[place] == "rules" for place in (0, 2)) and location[0] in {"rules", "files"}


def rule_place(location: Iterable[int | str]) -> tuple[tuple[int | str, ...], str | None]:
    """The place of an error in a rule as the rule's author knows it, and the name of the rule; None where it is no known one.

    >>> rule_place(("rules", 0, "in_range", "min"))
    (('rules', 0, 'min'), 'in_range')
    """
    path = tuple(location)
    begin = path.index("rules") + 2
    if len(path) > begin and path[begin] in RULES:
        return (*path[:begin], *path[begin + 1 :]), str(path[begin])
    return path, None


def what_is_wrong(details: ErrorDetails) -> tuple[tuple[int | str, ...], str, str]:
    """An error in a rule: its place, a message, and a remedy."""
    place, name = rule_place(details["loc"])
    known = ", ".join(RULES)
    if name is None:
        given = details["input"].get("rule") if isinstance(details["input"], dict) else None
        if isinstance(given, str):
            return (*place, "rule"), f"{given!r} is no rule.", f"Write one of: {known}."
        remedy = f'Write {{"rule": "not_null", "column": "name"}}, or one of: {known}.'
        return place, "It is no rule: an object with the key 'rule' is.", remedy
    keys = ", ".join(key for key in RULES[name].model_fields if key != "rule")
    match details["type"]:
        case "missing":
            message = f"The rule {name!r} needs the key {place[-1]!r}."
        case "extra_forbidden":
            message = f"The rule {name!r} has no key {place[-1]!r}."
        case "literal_error" if place[-1] == "severity" and details["input"] == "set_aside":
            message = f"The rule {name!r} judges the dataset as a whole: it cannot set features aside."
        case _:
            said = details["msg"].removeprefix("Value error, ").replace("Input should", "it should")
            message = f"{said[:1].upper()}{said[1:]}."
    return place, message, f"The keys of {name!r}: {keys}."
