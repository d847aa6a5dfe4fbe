"""Versions of datasets as inputs of other datasets."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import StringConstraints

from libs.models.base import ID_PATTERN, Identifier, Model
from libs.models.document import Document
from libs.models.growth import InputVersion
from libs.models.problem import Problem

_SCHEME = "lake:"
INPUT_NAME = r"^[a-z][a-z0-9_]{0,31}$"
"""What a named input is called: it is part of the names of tables and counts."""
VERSION_PATTERN = ID_PATTERN.removesuffix("$") + r"(@[1-9][0-9]{0,9})?$"
"""A dataset, or one version of it: ``<id>``, ``<id>@<N>``."""


InputName = Annotated[str, StringConstraints(pattern=INPUT_NAME)]


class DatasetInput(Model):
    """A dataset of the lake that a batch reads.

    Attributes:
        dataset: Its id, for the version that is current when the batch is processed; or ``<id>@<N>`` for a certain one.
        dataset_id: Dataset that is made from it. What goes into the same one, of inputs and files, is appended.
        name: What the recipe calls it, as a further input of its steps. Then it has no ``dataset_id``: no dataset is made of it.
    """

    dataset: Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
    dataset_id: Identifier | None = None
    name: InputName | None = None

    @property
    def named(self) -> tuple[str, int | None]:
        """Its id, and its version if it names one."""
        dataset_id, _, version = self.dataset.partition("@")
        return dataset_id, int(version) if version else None


class Use(Document):
    """That a version was made from another one (collection ``uses``).

    Attributes:
        input: ``<dataset_id>@<N>`` of what was read, or grown.
        output: ``<dataset_id>@<N>`` of what was made.
    """

    input: str
    output: str
    run_id: str
    batch_id: Identifier

    @property
    def id(self) -> str:
        """``_id``: ``<input>><output>``. All that came of a version begin alike."""
        return f"{self.input}>{self.output}"


def lake_path(key: str) -> str:
    """How a file of the lake is named among those of a batch: never as a file of the landing zone is."""
    return f"{_SCHEME}{key}"


def lake_key(path: str) -> str | None:
    """The key of a file of the lake, by its name among those of a batch; None for one of the landing zone."""
    return path.removeprefix(_SCHEME) if path.startswith(_SCHEME) else None


def input_problems(manifest: Mapping[str, Any], files: Sequence[Any] | None) -> list[Problem]:
    """What is wrong with what a manifest reads, as far as it is well-formed: something has to be read.

    Args:
        manifest: Its JSON value.
        files: The same of its files; None where it has none that are a list.
    """
    problems: list[Problem] = []
    listed = {"files": files or [], "inputs": inputs if isinstance(inputs := manifest.get("inputs"), list) else []}
    for key, specs in listed.items():
        for index, spec in enumerate(specs):
            problems += _named_problems(spec, f"{key}[{index}]") if isinstance(spec, dict) else []
    of_datasets = [
        spec for specs in listed.values() for spec in specs if not (isinstance(spec, dict) and isinstance(spec.get("name"), str))
    ]
    if of_datasets:
        return problems
    if any(listed.values()):
        said = "Each of what is read has a 'name': no dataset is made of anything."
        return [*problems, Problem(code="empty", where="files", message=said, remedy="Add a file or dataset without 'name'.")]
    if "files" not in manifest:
        return [Problem(code="missing_key", where="files", message="The key 'files' is missing.", remedy="Add 'files'.")]
    return (
        [] if files is None else [Problem(code="empty", where="files", message="'files' is empty.", remedy="Give at least one.")]
    )


def _named_problems(spec: Mapping[str, Any], where: str) -> list[Problem]:
    """What is wrong with an entry, by whether it is a named input."""
    if spec.get("name") is None:
        if "dataset" not in spec or spec.get("dataset_id") is not None:
            return []
        return [
            Problem(
                code="missing_key", where=f"{where}.dataset_id", message="The key 'dataset_id' is missing.",
                remedy="Add 'dataset_id', the dataset that is made; or 'name', if it is a further input of the recipe.",
            )
        ]  # fmt: skip
    return [
        Problem(
            code="not_for_named_inputs", where=f"{where}.{key}",
            message=f"It has a 'name', and so is an input of the recipe, of which no dataset is made: {key!r} is not for it.",
            remedy=f"Leave out {key!r}, or 'name'.",
        )
        for key in ("dataset_id", "mode", "key", "schema", "on_change", "rules")
        if spec.get(key) is not None
    ]  # fmt: skip


def versions_of(keys: Mapping[str, str]) -> tuple[InputVersion, ...]:
    """The versions to which files of the lake belong.

    Args:
        keys: Their SHA-256, by their keys, in the order of each version's files.
    """
    found: dict[tuple[str, int], list[str]] = {}
    for key, sha256 in keys.items():
        dataset_id, version, _ = key.split("/")
        found.setdefault((dataset_id, int(version.removeprefix("v"))), []).append(sha256)
    return tuple(
        InputVersion(dataset_id=dataset_id, version=version, sha256=tuple(hashes))
        for (dataset_id, version), hashes in found.items()
    )
