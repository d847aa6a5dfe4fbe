"""A delivery: from files on a local disk to the manifest that describes them."""

import hashlib
import io
import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from libs.ledger import Ledger
from libs.models import (
    FileType,
    LakeOfAnother,
    Manifest,
    ParsedManifest,
    Rejected,
    ServiceUnavailable,
    landing_key,
    parse_manifest,
)
from libs.models.base import ID_PATTERN
from libs.models.settings import Settings
from libs.pipeline.format_choice import format_of, is_plain_table
from libs.pipeline.identity import require_own_lake
from libs.pipeline.naming import slug
from libs.pipeline.upload import DeliveryError, Upload
from libs.spatial_utils import coordinate_names, csv_titles
from libs.spatial_utils.formats import Format, find_format
from libs.storage import DataLake

MAX_HEADER = 100_000
"""Characters: a longer first line is no header."""


@dataclass(frozen=True)
class LocalFile:
    """A file of the batch on its way to the landing zone.

    Attributes:
        path: On the disk.
        key: Below the batch's folder; sidecars go beside it.
        format: What the manifest calls it.
        name: What the recipe calls it, as a named input; None for what a dataset is made of.
        layer: Of a named input, which layer it is.
    """

    path: Path
    key: str
    format: Format
    name: str | None = None
    layer: str | None = None

    def entry(self, options: Mapping[str, Any], of_all: Mapping[str, Any]) -> dict[str, Any]:
        """The file's own part of its entry in the manifest: type, format, and the options if the format takes any.

        Args:
            options: Of formats that are tables of text.
            of_all: What every file's entry gets. A CSV with a CRS, and with columns named as places are, is no mere table.
        """
        if self.format.raster:
            return {"type": FileType.RASTER, "format": self.format.name}
        if self.format.name == "GeoParquet" and self.path.is_file() and is_plain_table(self.path):
            return {"type": FileType.TABULAR, "format": self.format.name}
        if not self.format.takes:
            return {"type": FileType.VECTOR, "format": self.format.name}
        told = options.keys() & {"x", "y", "wkt"} or "geometry" in of_all
        located = told or ("crs" in of_all and _looks_located(_header(self.path, options)))
        kind = FileType.VECTOR if located else FileType.TABULAR
        return {"type": kind, "format": self.format.name, **given(options=dict(options))}

    def likely_points(self, options: Mapping[str, Any], of_all: Mapping[str, Any]) -> tuple[str, str] | None:
        """The columns that look like coordinates in a CSV that is loaded as a table; None for everything else."""
        is_table = self.format.name == "CSV" and self.entry(options, of_all)["type"] == FileType.TABULAR
        return coordinate_columns(self.path, options) if is_table else None


@dataclass(frozen=True)
class NamedInput:
    """What somebody says a named input is.

    Attributes:
        name: What the recipe calls it.
        path: A file on the disk; or
        dataset: a dataset of the lake, perhaps with its version.
        layer: Of the file; None: its only one.
    """

    name: str
    path: Path | None = None
    dataset: str | None = None
    layer: str | None = None


def local_files(paths: Sequence[Path], chosen: Format | None = None, inputs: Sequence[NamedInput] = ()) -> list[LocalFile]:
    """The files of a batch, each with its format and a key of its own; those of named inputs last.

    Args:
        paths: Files, or folders of a FileGDB.
        chosen: The format of all of them; None: proposed for each file.
        inputs: Named inputs; those that are datasets have no file.

    Raises:
        DeliveryError: when a file may not be read, or no format can be proposed for it.
    """
    found: list[LocalFile] = []
    taken: set[str] = set()
    named = [(each.path, each) for each in inputs if each.path is not None]
    for number, (path, each) in enumerate([*((path, None) for path in paths), *named], 1):
        if not os.access(path, os.R_OK):
            raise DeliveryError(f"{path.name} may not be read by this user.")
        name = path.resolve().name
        if name.casefold() in taken:  # files of one name from several folders, sidecars included, must not overwrite each other
            name = f"{number}/{name}"
        taken.add(name.casefold())
        if each is None:
            found.append(LocalFile(path.resolve(), name, chosen or format_of(path)))
        else:
            found.append(LocalFile(path.resolve(), name, format_of(path), each.name, each.layer))
    return found


def places(files: Iterable[Path], manifest: Manifest, bucket: str) -> list[Upload]:
    """Where the files of a manifest are to lie.

    Args:
        files: On the disk; each has the name of one that the manifest names.
        manifest: The manifest.
        bucket: Name of the landing zone.

    Raises:
        DeliveryError: when the manifest names no such file, or several.
    """
    named: dict[str, dict[str, tuple[str, str]]] = {}
    for index, spec in enumerate(manifest.files):
        folder, _, name = landing_key(spec.path, bucket).rpartition("/")
        named.setdefault(name, {})[folder] = spec.format, f"files[{index}].path"
    found = []
    for file in files:
        folders = named.get(file.name, {})
        if len(folders) != 1:
            said = f"names {len(folders)} files of this name" if folders else f"names other files: {', '.join(sorted(named))}"
            raise DeliveryError(f"{file.name}: the manifest {said}.")
        ((folder, (format_, where)),) = folders.items()
        found.append(Upload(file.resolve(), find_format(format_, "format"), folder, where))
    return found


def make_manifest(
    bucket: str,
    files: Sequence[LocalFile],
    *,
    batch_id: str,
    uploader: str,
    intent: str,
    parameters: Mapping[str, Any],
    metadata: Mapping[str, Any],
    options: Mapping[str, Any],
    of_all: Mapping[str, Any],
    policies: Mapping[str, Any] | None = None,
    raw: str | None = None,
    inputs: Sequence[NamedInput] = (),
) -> ParsedManifest:
    """The manifest of a delivery, checked for all that can be known before a file is uploaded.

    Args:
        bucket: Name of the landing zone, where the files will lie in a folder named after the batch.
        files: The files.
        batch_id: Name of the batch.
        uploader: Who delivers.
        intent: What to do with the files.
        parameters: Of the recipe.
        metadata: Of the batch.
        options: For the files whose format takes options.
        of_all: Keys that every file's entry gets: ``crs``, ``replace_crs``, ``layer``, ``geometry``,
            ``dataset_id``, ``encoding``, ``keep_key``.
        policies: ``on_bad_value`` and so on, ``mode``, ``key`` and ``schema``.
        raw: What becomes of the raw files.
        inputs: Named inputs; of those that are files, the files are among the others.

    Raises:
        Rejected: when a value is wrong. This comes before a gigabyte is copied.
    """
    used = any(file.format.takes for file in files if file.name is None)
    unused = given(options={} if used else dict(options))  # the report will say that they were not used
    manifest = {
        "batch_id": batch_id,
        "uploader": uploader,
        "intent": intent,
        "files": [
            {"path": f"s3://{bucket}/{batch_id}/{file.key}"}
            | (
                {**file.entry(options, of_all), **of_all, **unused}
                if file.name is None
                else {**file.entry({}, {}), **given(name=file.name, layer=file.layer)}
            )
            for file in files
        ],
        **given(inputs=[{"dataset": each.dataset, "name": each.name} for each in inputs if each.dataset is not None] or None),
        **(policies or {}),
        "metadata": dict(metadata),
        "parameters": dict(parameters),
        **given(raw=raw),
    }
    content = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
    parsed = parse_manifest(content, landing_bucket=bucket)
    parsed.require()
    return parsed


def require_free_name(settings: Settings, lake: DataLake, ledger: Ledger, batch_id: str, manifest: bytes) -> None:
    """Refuse the name of a batch that is at work, or has succeeded with another manifest.

    An upload would replace the files that it is made from. The same manifest may be delivered again.

    Args:
        settings: Name the lake and the ledger in an error.
        lake: The lake.
        ledger: Knows the batches.
        batch_id: The name.
        manifest: That is to be delivered.

    Raises:
        Rejected: when the name is taken.
        LakeOfAnother: when this ledger cannot know, because the lake belongs to another one.
    """
    try:
        require_own_lake(settings, lake, ledger, bind=False)
    except LakeOfAnother:
        raise
    except ServiceUnavailable:
        pass  # the batch waits in the landing zone until that is put right
    if problems := ledger.in_the_way(batch_id, hashlib.sha256(manifest).hexdigest()):
        raise Rejected(problems)


def given(**values: Any) -> dict[str, Any]:
    """The values that are set: a manifest leaves out the others."""
    return {name: value for name, value in values.items() if value not in (None, {})}


def new_batch_id(path: Path) -> str:
    """A name for a batch: that of its first file, the time, and a random part, so that two in one second differ."""
    stem = slug(path.resolve().name.split(".", 1)[0]).strip("_-")[:64] or "batch"
    return f"{stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def batch_id_of(manifest: ParsedManifest) -> str | None:
    """The name that a manifest gives its batch; None when it gives no valid one. Processing reports all other problems."""
    name = manifest.value.get("batch_id") if isinstance(manifest.value, dict) else None
    return name if isinstance(name, str) and re.match(ID_PATTERN, name) else None


def coordinate_columns(path: Path, options: Mapping[str, Any]) -> tuple[str, str] | None:
    """The columns of a CSV whose names look like coordinates; None when no two do. A hint only: a name is no proof.

    Args:
        path: Of the file.
        options: That say where the column names stand, if they do.
    """
    return coordinate_names.coordinate_columns(_header(path, options))


def _looks_located(header: Sequence[str]) -> bool:
    return bool(coordinate_names.coordinate_columns(header) or coordinate_names.geometry_column(header))


def _header(path: Path, options: Mapping[str, Any]) -> list[str]:
    """The column names of a CSV, as far as they can be told."""
    told, skipped = options.get("header"), options.get("skip_rows")
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            head = file.read(MAX_HEADER)
    except OSError:
        return []
    if told == "none":
        return []
    above = int(told) - 1 if told else int(skipped or 0)
    if not (told or skipped or options.get("comment")):
        above = csv_titles.lines_above_header(head, options.get("delimiter"), options.get("quote") or '"')
    header = next(islice(io.StringIO(head, newline=None), above, None), "")
    return [name.strip().strip('"') for name in re.split(r"[,;\t|]", header.strip())]
