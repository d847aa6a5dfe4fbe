"""The worker: one file, read within its limits, sent as Arrow. Everything that GDAL does happens here.

What it writes to its pipe: a header (length and JSON) with the layers or the problems; then for each layer an Arrow IPC stream
and a trailer (length and JSON) with counts, warnings and, when the layer could not be read to its end, the problem.
"""

import codecs
import importlib
import json
import os
import struct
import sysconfig
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from libs.column_names import PROBLEM, RAW
from libs.spatial_utils.worker import sandbox
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.ogr.reference import warm_up
from libs.spatial_utils.worker.protocol import BATCH_BYTES, LayerReader, OpenFile, Request, SchemaInferenceFailed, Unreadable
from libs.spatial_utils.worker.reader import FileReader

_BUFFER = 256 * 1024
_CODECS = (Path(sysconfig.get_path("stdlib")), *Path("/usr").glob("lib*/gconv"), *Path("/usr").glob("lib*/*/gconv"))
"""Character encodings are loaded when they are needed: Python's modules, and the tables of the C library for GDAL."""

_gdal: Gdal | None = None


def preload() -> dict[str, Any]:
    """Load what every child needs, once, in the fork server. Returns versions."""
    global _gdal  # noqa: PLW0603 - inherited by the children through fork
    # What is first needed in a child is made in every child again: a module, Arrow's tables of characters and of casts.
    codecs.lookup("utf-8-sig")
    pc.utf8_trim_whitespace(pa.array(["2024-05-01T10:00:00"])).cast(pa.timestamp("us"))
    _gdal = Gdal()
    # SQLite sorts rows of views in a file elsewhere, which the sandbox has not; in memory, the limit of memory holds for it.
    _gdal.configure({"OGR_ARROW_MEM_LIMIT": str(BATCH_BYTES), "OGR_SQLITE_PRAGMA": "temp_store=MEMORY"})
    warm_up(_gdal)
    return {"gdal": _gdal.version}


def reader_of(folder: str) -> type[FileReader]:
    """What reads a format: of its folder in ``formats/``, or GDAL by itself for a format without one.

    The server calls it before it forks, so that modules are imported once; the sandbox has none.
    """
    module = f"libs.spatial_utils.worker.formats.{folder}.reader" if folder else "libs.spatial_utils.worker.ogr.reader"
    reader: type[FileReader] = importlib.import_module(module).Reader
    return reader


def main(request: Request, descriptor: int) -> None:
    """Read the requested file and write what it holds to the descriptor."""
    with os.fdopen(descriptor, "wb", _BUFFER) as out:
        try:
            file = _open(request)
        except Unreadable as error:
            _send(out, {"problems": [error.as_dict()]})
            return
        header = {
            "names": file.names,
            "layers": [_described(layer) for layer in file.layers],
            "warnings": file.notes.warnings,
            "inferred": file.inferred,
            "rasters": [raster.described() for raster in file.rasters],
        }
        _send(out, header)
        for layer in file.layers:
            _send_layer(out, layer)
        for raster in file.rasters:
            _send(out, raster.send(out))


def _open(request: Request) -> OpenFile:
    """Enter the sandbox, then open the file."""
    if _gdal is None:
        raise RuntimeError("preload() comes first")
    reader = reader_of(request.reader)
    if request.register:
        _gdal.register(request.register)
    folder = Path(request.folder)
    sandbox.enter(
        sandbox.Limits(request.memory_mb, request.cpu_seconds, request.written_bytes),
        readable=[folder, *_gdal.data_folders, *_CODECS],
        writable=[folder] if request.written_bytes else [],
    )
    _gdal.complaints.hidden = f"{folder}/"
    opened = OpenFile()
    for path, prefix in request.paths:
        reader(_gdal, path, prefix, request, opened).open()
    opened.keep_exact(request.layer)
    return opened


def _described(layer: LayerReader) -> dict[str, Any]:
    sent = [field for field in layer.schema if field.name not in {PROBLEM, RAW}]
    attributes = sent[:-1] if layer.geometry else sent
    return {
        "name": layer.name,
        "columns": [[field.name, str(field.type)] for field in attributes],
        "geometry": layer.geometry,
        "crs": layer.crs,
        "claimed": layer.claimed,
    }


def _send_layer(out: BinaryIO, layer: LayerReader) -> None:
    problem, misjudged = None, False
    with pa.ipc.new_stream(pa.PythonFile(out, "w"), layer.schema) as writer:
        try:
            for batch in layer.batches():
                _validate(batch, layer.name)
                writer.write_batch(batch)
        except Unreadable as error:
            problem = error.as_dict()
        except SchemaInferenceFailed:
            misjudged = True
    _send(out, {"problem": problem, "misjudged": misjudged, "warnings": layer.notes.warnings, "counts": layer.notes.counts})


def _validate(batch: pa.RecordBatch, layer: str) -> None:
    """Nothing malformed leaves this process: text that is not UTF-8, times beyond midnight."""
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            if not pa.types.is_string(field.type):
                raise Unreadable(
                    "bad_value",
                    f"The column {field.name!r} has a value that is no {field.type}: {error}.",
                    "Correct the value.",
                    f"layer {layer}",
                ) from error
            raise Unreadable(
                "wrong_encoding",
                f"Text of the column {field.name!r} is not UTF-8, as the format demands: {error}.",
                "Write the file again in UTF-8.",
                f"layer {layer}",
            ) from error


def _send(out: BinaryIO, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    out.write(struct.pack("<I", len(body)) + body)
    out.flush()
