"""``inspect``: what is in local files, and what ingesting them would report. Nothing of it is stored."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from libs.models import FileSpec, Rejected, Report
from libs.models.inspection import Inspection, LayerProfile
from libs.models.manifest import NO_CRS
from libs.models.settings import Settings
from libs.pipeline.delivery import LocalFile, make_manifest, new_batch_id
from libs.pipeline.process import process
from libs.pipeline.profile import profile
from libs.pipeline.upload import Upload, members_of, upload_all
from libs.platform import open_stack
from libs.platform.dry_run import throwaway
from libs.spatial_utils.reading import ReadLimits
from libs.spatial_utils.siblings import Folders
from libs.spatial_utils.sniffing import kind_of

_BAD_ROWS = {"on_bad_value": "null", "on_bad_geometry": "null", "on_bad_text": "fix"}
"""What ingesting it refuses does not keep a file from being looked at."""


def inspect(
    settings: Settings, file: LocalFile, uploader: str, options: Mapping[str, Any], of_all: Mapping[str, Any]
) -> Inspection:
    """Look at a local file.

    Args:
        settings: Their limits and recipes hold; nothing is written to the places that they name.
        file: With its format.
        uploader: For the manifest.
        options: Of formats that are tables of text; see :func:`libs.pipeline.delivery.make_manifest`.
        of_all: ``crs``, ``layer`` and so on.

    Raises:
        Rejected: when an option is wrong.
    """
    batch_id = new_batch_id(file.path)
    manifest = make_manifest(
        settings.landing.bucket, [file], batch_id=batch_id, uploader=uploader, intent="ingest_vector", parameters={},
        metadata={}, options=options, of_all=of_all,
    )  # fmt: skip
    with throwaway(settings) as elsewhere, open_stack(elsewhere) as stack:
        folder = str(Path(batch_id, file.key).parent)
        upload_all(stack.landing, [Upload(file.path, file.format, folder, "files[0].path")], manifest.content, batch_id)
        key = stack.landing.submit(manifest.content, batch_id)
        (report,) = process(stack, keys=[key], parsed={key: manifest})
        layers = _rasters(report) if file.format.raster else _layers(file, manifest.require().files[0], stack.limits)
    return Inspection(
        file=file.path.name,
        format=file.format.name,
        looks_like=kind_of(file.path).value,
        layers=layers,
        problems=report.problems,
        warnings=report.warnings,
        manifest=manifest.value,
    )


def _rasters(report: Report) -> tuple[LayerProfile, ...]:
    """Rasters as they were made, in a place that is gone by now."""
    return tuple(
        LayerProfile(name=made.title or made.dataset_id, features=0, crs=made.crs, extent=made.bbox, raster=made.raster)
        for made in report.datasets
    )


def _layers(file: LocalFile, spec: FileSpec, limits: ReadLimits) -> tuple[LayerProfile, ...]:
    """What can be read of a file, although ingesting it may be refused."""
    with tempfile.TemporaryDirectory(prefix="inspect-") as folder:
        path = Path(folder, file.path.name)
        if file.path.is_dir():
            shutil.copytree(file.path, path)
        else:
            for member in members_of(file.path, file.format, Folders()):
                copy = Path(folder, member.relative_to(file.path.parent))
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(member, copy)
        for leniency in ({}, _BAD_ROWS, _BAD_ROWS | {"crs": NO_CRS}):
            try:
                return profile(path, spec.model_copy(update=leniency), limits)
            except Rejected:
                continue
    return ()
