"""Versions of datasets as inputs of other datasets."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import StringConstraints

from libs.models.base import ID_PATTERN, Identifier, Model
from libs.models.document import Document
from libs.models.growth import InputVersion
from libs.models.problem import Problem

_SCHEME = "lake:"
VERSION_PATTERN = ID_PATTERN.removesuffix("$") + r"(@[1-9][0-9]{0,9})?$"
"""A dataset, or one version of it: ``<id>``, ``<id>@<N>``."""


class DatasetInput(Model):
    """A dataset of the lake that a batch reads.

    Attributes:
        dataset: Its id, for the version that is current when the batch is processed; or ``<id>@<N>`` for a certain one.
        dataset_id: Dataset that is made from it. What goes into the same one, of inputs and files, is appended.
    """

    dataset: Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
    dataset_id: Identifier

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
    if manifest.get("inputs") or files:
        return []
    if "files" not in manifest:
        return [Problem(code="missing_key", where="files", message="The key 'files' is missing.", remedy="Add 'files'.")]
    return (
        [] if files is None else [Problem(code="empty", where="files", message="'files' is empty.", remedy="Give at least one.")]
    )


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
