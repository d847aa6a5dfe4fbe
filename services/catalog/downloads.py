"""A version as a file for other programs: all of it, or what meets a condition."""

import json
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from libs.models import Asset
from libs.transformations.where import Where, parse
from services.catalog.answers import Refused, only, url
from services.catalog.questions import rows_of
from services.catalog.state import State, state_of

if TYPE_CHECKING:
    from libs.pipeline.export import Exported

TYPES = {
    ".gpkg": "application/geopackage+sqlite3",
    ".fgb": "application/flatgeobuf",
    ".geojson": "application/geo+json",
    ".shp.zip": "application/zip",
    ".csv": "text/csv; charset=utf-8; header=present",
    ".kml": "application/vnd.google-earth.kml+xml",
    ".parquet": "application/vnd.apache.parquet",
}
"""Media types, by what the names of files end in."""
_PIECE = 1024 * 1024
_TOLD, _LONGEST = 20, 200
"""Warnings in a header, and characters of each."""
_at_once = threading.BoundedSemaphore(2)
"""Files in the making: each takes memory and a core."""


def downloads_of(asset: Asset, where: str = "") -> list[tuple[str, str, str]]:
    """The formats that a version can be had in: name, address, and address of a ZIP with its lineage."""
    from libs.compute.exporting import EXPORTS

    if asset.features is None or not asset.data:
        return []
    listed = []
    for export in EXPORTS:
        if asset.has_geometry or export.holds_tables:
            path = f"/downloads/{asset.dataset_id}/{asset.version}/{asset.dataset_id}{export.suffix}"
            name = (
                export.name
                if asset.has_geometry
                else export.name.removeprefix("Geo")
                if export.suffix == ".parquet"
                else export.name
            )
            listed.append((name, url("", path, where=where), url("", path, where=where, lineage="yes")))
    return listed


def download(request: Request) -> Response:
    """A version, or what meets a condition, as a file."""
    given = request.query_params
    only(given, ("where", "lineage"))
    asset, name, text = rows_of(request), request.path_params["name"], given.get("where", "").strip()
    suffix = next((each for each in TYPES if name == asset.dataset_id + each), None)
    if suffix is None:
        endings = ", ".join(TYPES)
        raise Refused(404, f"{name!r} is no file of {asset.id}. Its name is {asset.dataset_id} and one of {endings}.")
    if given.get("lineage", "yes") != "yes":
        raise Refused(400, "The parameter 'lineage' must be yes, or be left out.")
    condition = None if not text else parse(text)
    is_zipped = "lineage" in given
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name + '.zip' if is_zipped else name)}",
        "Cache-Control": "no-cache",
        "Content-Type": "application/zip" if is_zipped else TYPES[suffix],
    }
    if request.method == "HEAD":
        return Response(headers=headers)
    if not _at_once.acquire(timeout=30):
        raise Refused(503, "Too many files are being made just now. Try again in a minute.")
    try:
        file, size, told = _made(state_of(request), asset, name, text, condition, is_zipped=is_zipped)
    finally:
        _at_once.release()
    headers |= {"Content-Length": str(size), "X-Warnings": _told(told)}
    return StreamingResponse(_pieces(file), headers=headers)


def _made(
    state: State, asset: Asset, name: str, text: str, condition: Where | None, *, is_zipped: bool
) -> "tuple[BinaryIO, int, Exported]":
    """The file, opened and without a name any more: it is gone when it is closed, however that comes."""
    from libs.pipeline.export import LINEAGE_SUFFIX, Selection, export
    from libs.platform import open_stack

    lineage = state.ledger.lineage(asset.dataset_id, asset.version)
    if lineage is None:
        raise Refused(409, f"The lineage of {asset.id} is not there yet. `spatial-etl reconcile` finishes what a crash left.")
    with tempfile.TemporaryDirectory(dir=state.folder) as folder, open_stack(state.settings) as stack:
        target = Path(folder) / name
        told = export(stack, asset, lineage, target, Selection(where=text or None), condition, overwrite=False)
        if is_zipped:
            target = Path(folder) / f"{name}.zip"
            with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for each in (name, name + LINEAGE_SUFFIX):
                    archive.write(Path(folder) / each, each)
        return target.open("rb"), target.stat().st_size, told


def _told(exported: "Exported") -> str:
    """What the format cannot hold, as JSON in ASCII, for a header: the first of it."""
    told = [f"{each.where}: {each.message}"[:_LONGEST] for each in exported.warnings[:_TOLD]]
    more = len(exported.warnings) - len(told)
    return json.dumps([*told, f"{more:,} more are in the lineage."] if more > 0 else told)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
