"""How a delivery becomes a version: in place of the version before, or on top of it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from libs.models.base import Identifier, Model, Record, Sha256
from libs.models.problem import Problem

Mode = Literal["replace", "append", "upsert", "delete"]
"""``replace``: the delivery is the whole dataset. ``append``: its features are added. ``upsert``: they replace those of the same
key, or are added. ``delete``: the features with its keys are left out."""

SchemaRule = Literal["strict", "widen"]

_Name = Annotated[str, Field(min_length=1)]

_KEYED = frozenset({"upsert", "delete"})


def _several(said: object) -> object:
    """One column may be written without a list."""
    return [said] if isinstance(said, str) else said


class Growing(Model):
    """How files become versions. What a file does not say, the batch says.

    Attributes:
        mode: ``replace`` the dataset, which holds when it is not given; ``append`` features; ``upsert`` them by ``key``:
            replace those that have the same key, add the others; ``delete`` those that have the keys of the file.
        key: The column, or columns, that tell features apart, as they are called in the lake. Needed to ``upsert`` and to
            ``delete``; with ``append``, no feature may come twice.
        schema: Where a file grows a dataset: ``strict``, which holds when it is not given: its columns are those of the
            dataset; ``widen``: it may have further ones, and larger types of numbers.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    mode: Mode | None = None
    key: Annotated[
        Annotated[tuple[_Name, ...], Field(min_length=1, max_length=16)] | None,
        BeforeValidator(_several, json_schema_input_type=_Name | list[_Name] | None),
    ] = None
    schema_rule: SchemaRule | None = Field(default=None, alias="schema")


class Rule(Model):
    """What holds for a dataset that grows.

    Attributes:
        widen: Whether its columns may become more, and larger.
    """

    mode: Mode
    key: tuple[str, ...] = ()
    widen: bool = False


def rule_of(file: Growing, batch: Growing) -> Rule | None:
    """What holds for a file of a batch; None where its dataset is replaced."""
    mode = file.mode or batch.mode or "replace"
    if mode == "replace":
        return None
    return Rule(mode=mode, key=file.key or batch.key or (), widen=(file.schema_rule or batch.schema_rule) == "widen")


class Growth(Record):
    """What a delivery did to the version that it grew. Its features are those before, and ``added``, without ``deleted``.

    Attributes:
        mode: A :data:`Mode`, or one of a later release.
        key: The columns of the key; none where nothing was looked up.
        base: Number of the version that it grew; None for the first one.
        added: Features that were not there.
        updated: Features that replaced one of the same key, with other values.
        unchanged: The same, with the same values.
        deleted: Features that were there.
    """

    mode: str
    key: tuple[str, ...] = ()
    base: int | None
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0


class InputVersion(Record):
    """A version of a dataset that another version was made from.

    Attributes:
        sha256: Of its data files, in their order.
    """

    dataset_id: Identifier
    version: int
    sha256: tuple[Sha256, ...]

    @property
    def id(self) -> str:
        """``<dataset_id>@<N>``."""
        return f"{self.dataset_id}@{self.version}"


def growing_problems(manifest: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with how the files and inputs of a manifest grow datasets, as far as it is well-formed.

    Args:
        manifest: Its JSON value.
    """
    problems: list[Problem] = []
    first: dict[str, tuple[str, tuple[Any, ...]]] = {}
    for place, spec in _specs(manifest):
        mode, key, schema = (spec.get(name, manifest.get(name)) for name in ("mode", "key", "schema"))
        mode = mode or "replace"
        if not isinstance(mode, str):
            continue  # the model says so
        dataset_id = spec.get("dataset_id")
        if mode == "replace":
            problems += _without_mode(place, key, schema)
        elif not dataset_id:
            problems.append(
                Problem(
                    code="missing_key", where=f"{place}.dataset_id",
                    message=f"It does not say which dataset the mode {mode!r} is for.",
                    remedy="Add 'dataset_id': the dataset as 'spatial-etl datasets' lists it.",
                )
            )  # fmt: skip
        if mode in _KEYED and not key:
            problems.append(
                Problem(
                    code="missing_key", where=f"{place}.key", message=f"The mode {mode!r} needs a 'key'.",
                    remedy="Add 'key': the column, or the list of columns, that tells the features apart.",
                )
            )  # fmt: skip
        if isinstance(dataset_id, str):
            earlier, rule = first.setdefault(dataset_id, (place, (mode, _several(key), schema or "strict")))
            if rule != (mode, _several(key), schema or "strict"):
                problems.append(
                    Problem(
                        code="mode_differs", where=place,
                        message=f"It has another 'mode', 'key' or 'schema' than {earlier}, which goes into "
                        f"the same dataset {dataset_id!r}.",
                        remedy="Make them alike, or deliver the two as batches of their own.",
                    )
                )  # fmt: skip
    return problems


def _specs(manifest: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a manifest makes datasets of, each with its place."""
    for name in ("files", "inputs"):
        listed = manifest.get(name)
        for index, spec in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(spec, dict) and spec.get("name") is None:
                yield f"{name}[{index}]", spec


def _without_mode(where: str, key: Any, schema: Any) -> list[Problem]:
    given = next((name for name, value in (("key", key), ("schema", schema)) if value), None)
    if given is None:
        return []
    return [
        Problem(
            code="missing_key", where=f"{where}.mode",
            message=f"{given!r} is given, and the whole dataset would be replaced: no other 'mode' is given.",
            remedy=f"Add 'mode': append, upsert or delete. If the dataset is to be replaced, leave out {given!r}.",
        )
    ]  # fmt: skip
