"""Datasets of the lake as inputs: pinned when a batch is validated, brought with the bytes that their records name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.ledger import Records
from libs.models import (
    Asset,
    DatasetInput,
    FileSpec,
    FileType,
    InputLayer,
    InputObject,
    Manifest,
    Problem,
    lake_key,
    lake_path,
)
from libs.models.manifest import NO_CRS
from libs.pipeline.lake_files import fetch
from libs.storage import DataLake


@dataclass(frozen=True)
class Brought:
    """A file of the lake in scratch, read as any other."""

    _object: InputObject

    def object(self) -> InputObject:
        """What was read."""
        return self._object


def pin(manifest: Manifest, past: Records) -> tuple[Manifest, list[Problem]]:
    """A manifest with the files of the versions that it reads among its own, each with its hash; and what is wrong with them.

    Args:
        manifest: As it was delivered.
        past: Knows the versions.
    """
    problems: list[Problem] = []
    files: list[FileSpec] = []
    for index, each in enumerate(manifest.inputs):
        asset, problem = _asset(each, f"inputs[{index}].dataset", past)
        if problem is not None:
            problems.append(problem)
        elif asset is not None:
            files += _files(asset, each)
    return manifest.model_copy(update={"files": (*manifest.files, *files)}), problems


def stage_version(lake: DataLake, spec: FileSpec, key: str, folder: Path) -> tuple[Path, Sequence[Brought]]:
    """Bring a file of the lake that a batch reads.

    Args:
        lake: Where it lies.
        spec: Names it, with its hash.
        key: Its key.
        folder: To be created.

    Raises:
        Rejected: when it is not there as it was recorded.
    """
    folder.mkdir(parents=True)
    path, sha256 = folder / key.rpartition("/")[2], spec.sha256 or ""
    fetch(lake, key, sha256, path)
    return path, [Brought(InputObject(key=lake_path(key), sha256=sha256, bytes=path.stat().st_size))]


def objects_of_lake(layers: Iterable[InputLayer]) -> dict[str, str]:
    """The SHA-256 of the lake's files among what was read, by their keys."""
    read = (item for layer in layers for item in layer.objects)
    return {key: item.sha256 for item in read if (key := lake_key(item.key)) is not None}


def _asset(named: DatasetInput, where: str, past: Records) -> tuple[Asset | None, Problem | None]:
    dataset_id, version = named.named
    if dataset_id == named.dataset_id:
        return None, Problem(
            code="input_is_output", where=where, message=f"The dataset {dataset_id!r} would be made from itself.",
            remedy="Give what is made another 'dataset_id'.",
        )  # fmt: skip
    asset = past.asset(dataset_id, version) if version else past.current([dataset_id]).get(dataset_id)
    if asset is None or asset.kind not in {"vector", "table"}:
        said = "is of a kind that is not read" if asset else "does not exist"
        return None, Problem(
            code="unknown_dataset", where=where, message=f"The dataset {named.dataset!r} {said}.",
            remedy="'spatial-etl datasets' lists the datasets, 'spatial-etl show DATASET' its versions.",
        )  # fmt: skip
    return asset, None


def _files(asset: Asset, named: DatasetInput) -> Iterable[FileSpec]:
    local = {"crs": NO_CRS} if asset.has_geometry and asset.crs is None else {}
    made = {"name": named.name} if named.name is not None else {"dataset_id": named.dataset_id}
    kind = FileType.VECTOR if asset.has_geometry else FileType.TABULAR
    for file in asset.data:
        path = lake_path(file.key)
        yield FileSpec(path=path, type=kind, format="GeoParquet", sha256=file.sha256, **made, **local)
