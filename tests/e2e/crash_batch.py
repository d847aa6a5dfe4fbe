"""The batch that the crash tests process, what is left of one before the next, and what was found of it."""

import io
import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from libs.compute.postgis import PostGISEngine
from libs.compute.postgis.connection import Connection, Server
from libs.ledger import Records
from libs.ledger.mongo import MongoStore
from libs.models import Decision
from libs.models.settings import Settings
from libs.pipeline.process import process
from libs.pipeline.publishing import keys_of
from libs.pipeline.stack import Stack
from libs.pipeline.verify import verify
from libs.platform import open_landing_zone, open_ledger, open_stack
from libs.storage import FolderStore, ObjectStore
from libs.storage.s3 import PROBES, S3Store
from tests.plain_tiff import plain_tiff

BATCH = "three-files"
_POINT = '{"type": "Feature", "properties": {"n": %d}, "geometry": {"type": "Point", "coordinates": [9, %d]}}'


def _large() -> bytes:
    """A table that does not become smaller: its file in the lake is one that S3 takes in two parts, of 5 MiB at least."""
    content, noise = io.BytesIO(), random.Random(1)
    pq.write_table(pa.table({"noise": [noise.randbytes(1024 * 1024) for _ in range(6)]}), content, compression="none")
    return content.getvalue()


FILES = {
    "points.geojson": (_POINT % (1, 53)).encode(),
    "noise.parquet": _large(),
    "trees.csv": b"species,x,y\noak,9.5,53.5\nlime,9.6,53.6\n",
}
ENTRIES: list[dict[str, Any]] = [
    {"path": "points.geojson", "type": "vector", "format": "GeoJSON"},
    {"path": "noise.parquet", "type": "tabular", "format": "GeoParquet"},
    {"path": "trees.csv", "type": "vector", "format": "CSV", "crs": "EPSG:4326", "options": {"x": "x", "y": "y"}},
]
GROWING = "SPATIAL_ETL_TEST_GROWING"
"""Set in the environment: another batch comes, which appends to two datasets that are there, and replaces features of one."""

BASE = "base"
GROWING_FILES = {
    "points.geojson": FILES["points.geojson"],
    "more.geojson": (_POINT % (2, 54)).encode(),
    "trees_again.csv": b"species,x,y\noak,9.7,53.7\nelm,9.6,53.6\n",
}
"""Raw files stay from crash to crash: other content has another name."""

GROWING_ENTRIES: list[dict[str, Any]] = [
    ENTRIES[0] | {"mode": "append", "dataset_id": "points"},
    ENTRIES[0] | {"mode": "append", "dataset_id": "more", "path": "more.geojson", "key": "n"},
    ENTRIES[2] | {"mode": "upsert", "dataset_id": "trees", "path": "trees_again.csv", "key": "species"},
]

RASTERS = "SPATIAL_ETL_TEST_RASTERS"
"""Set in the environment: two of the files are rasters, one of which S3 takes in two parts."""

RASTER_FILES = {
    "points.geojson": FILES["points.geojson"],
    "scan.tif": plain_tiff(random.Random(2).randbytes(3 * 1400 * 1400), 1400, 1400, 3),
    "grid.asc": b"ncols 2\nnrows 2\nxllcorner 9\nyllcorner 53\ncellsize 0.5\n1 2\n3 4\n",
}
RASTER_ENTRIES: list[dict[str, Any]] = [
    ENTRIES[0],
    {"path": "scan.tif", "type": "raster", "format": "GeoTIFF"},
    {"path": "grid.asc", "type": "raster", "format": "AAIGrid", "crs": "EPSG:4326"},
]

JOINED = "SPATIAL_ETL_TEST_JOINED"
"""Set in the environment: a table is a named input, joined to two layers."""

JOINED_FILES = {
    "points.geojson": FILES["points.geojson"],
    "more.geojson": GROWING_FILES["more.geojson"],
    "values.csv": b"n,value\n2,two\n1,one\n",
}
JOINED_ENTRIES: list[dict[str, Any]] = [
    ENTRIES[0],
    ENTRIES[0] | {"path": "more.geojson"},
    {"path": "values.csv", "type": "tabular", "format": "CSV", "name": "other"},
]
JOIN: dict[str, Any] = {"intent": "join", "parameters": {"on": "n", "max_unmatched": 0}}

EVERYTHING = {
    "successes": 1,
    "datasets": {"points": 1, "noise": 6, "trees": 2},
    "versions": 3,
    "lineage": 3,
    "intact": True,
    "report": "success",
    "problems": [],
    "reported": 3,
    "archived": 1,
    "left": [],
    "orphans": 0,
    "sessions": 0,
}
"""What must be found of the batch, whatever happened to those who processed it."""

EVERYTHING_GROWN = EVERYTHING | {
    "datasets": {"points": 2, "more": 1, "noise": 6, "trees": 3}, "versions": 6, "lineage": 6,
}  # fmt: skip

EVERYTHING_JOINED = EVERYTHING | {"datasets": {"points": 1, "more": 1}, "versions": 2, "lineage": 2, "reported": 2}

EVERYTHING_OF_RASTERS = EVERYTHING | {"datasets": {"points": 1, "scan": None, "grid": None}}

_SESSIONS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_ENDING = 10.0


def submit(settings: Settings) -> None:
    """Put the batch into the landing zone of a platform on which nothing else is."""
    if settings.minio_endpoint is not None:
        with open_stack(settings) as stack:
            _clear(stack)
    shutil.rmtree(settings.spatial_etl_home, ignore_errors=True)
    if RASTERS in os.environ:
        _submit(settings, BATCH, RASTER_FILES, RASTER_ENTRIES)
        return
    if JOINED in os.environ:
        _submit(settings, BATCH, JOINED_FILES, JOINED_ENTRIES, **JOIN)
        return
    if GROWING not in os.environ:
        _submit(settings, BATCH, FILES, ENTRIES)
        return
    _submit(settings, BASE, FILES, ENTRIES)
    with open_stack(settings) as stack:
        list(process(stack))
    _submit(settings, BATCH, GROWING_FILES, GROWING_ENTRIES)


def _submit(settings: Settings, batch: str, contents: dict[str, bytes], entries: list[dict[str, Any]], **more: Any) -> None:
    landing = open_landing_zone(settings)
    for name, content in contents.items():
        if landing.store.head(f"{batch}/{name}") is None:
            landing.store.put(f"{batch}/{name}", content)
    files = [entry | {"path": landing.store.uri(f"{batch}/{entry['path']}")} for entry in entries]
    manifest = {"batch_id": batch, "uploader": "tester", "intent": "ingest_vector", "files": files, **more}
    landing.submit(json.dumps(manifest).encode(), batch)


def seen(settings: Settings) -> dict[str, Any]:
    """What users see of the batch, and whether it is committed."""
    ledger = open_ledger(settings)
    try:
        return {"committed": _successes(ledger), "visible": [asset.id for asset in ledger.assets()]}
    finally:
        ledger.store.close()


def found(settings: Settings) -> dict[str, Any]:
    """Everything that should be as if nothing had happened."""
    with open_stack(settings) as stack:
        assets = list(stack.ledger.assets())
        report = json.loads(stack.landing.store.read(f"reports/{BATCH}.json"))
        return {
            "attempts": len(stack.ledger.runs(BATCH)),
            "successes": _successes(stack.ledger),
            "datasets": {asset.dataset_id: asset.features for asset in assets},
            "versions": len(assets),
            "lineage": sum(1 for _ in stack.ledger.store.ids("lineage")),
            "intact": not any(item.finding.damages for item in verify(stack)),
            "report": report["status"],
            "problems": report["problems"],
            "reported": len(report["datasets"]),
            "archived": sum(1 for _ in stack.landing.store.list(f"archive/{BATCH}/")),
            "left": sorted(_left(stack)),
        }


def sessions_end(settings: Settings) -> int:
    """Wait until PostgreSQL has noticed that nobody is there any more; the number of sessions that it keeps nevertheless."""
    if settings.postgres_host is None:
        return 0
    with closing(Connection(Server.of(settings))) as connection:
        deadline = time.monotonic() + _ENDING
        while True:
            ((count,),) = connection.rows(f"SELECT count(*) {_SESSIONS}")
            if count == 0 or time.monotonic() > deadline:
                return int(count)
            time.sleep(0.01)


def _left(stack: Stack) -> Iterator[str]:
    """All that is neither the batch's nor of what became of it."""
    recorded = {key for asset in stack.ledger.assets() for key in keys_of(stack.lake, asset)}
    yield from (info.key for info in stack.lake.objects() if info.key not in recorded)
    known = tuple(
        place
        for batch in (BATCH, BASE)
        for place in (f"{batch}/", f"archive/{batch}/", f"reports/{batch}.json", f"reports/{batch}/")
    )
    yield from (info.key for info in stack.landing.store.list() if not info.key.startswith(known))
    reserved = [key for reservation in stack.ledger.reservations() for key in reservation.keys]
    for store in (stack.landing.store, stack.lake.store):
        yield from _hidden(store, reserved)
    yield from (str(path) for path in stack.scratch.rglob("*") if path.is_file() or path.parent.name == "runs")
    yield from _schemas(stack)


def _hidden(store: ObjectStore, reserved: list[str]) -> Iterator[str]:
    """What lies in a bucket and is no object."""
    if isinstance(store, FolderStore):
        yield from (str(path) for path in (store.root / ".partial").iterdir())
    elif isinstance(store, S3Store):
        yield from (f"upload of {key}" for key, _, _ in store._uploads(reserved))
        yield from (key for key in _keys(store) if key.startswith(PROBES))


def _keys(store: S3Store) -> list[str]:
    """All keys, those too that are no objects of the platform's."""
    return [entry["Key"] for entry in store._client.list_objects_v2(Bucket=store.bucket).get("Contents", ())]


def _schemas(stack: Stack) -> list[str]:
    if not isinstance(stack.engine, PostGISEngine):
        return []
    with closing(stack.engine.connect()) as connection:
        return [name for (name,) in connection.rows("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'proc\\_%'")]


def _clear(stack: Stack) -> None:
    """Make a platform on servers as new, without the time that it takes to make one; the raw files stay."""
    reserved = [key for reservation in stack.ledger.reservations() for key in reservation.keys]
    for store in (stack.landing.store, stack.lake.store):
        if isinstance(store, S3Store):
            _empty(store, reserved)
    if isinstance(stack.ledger.store, MongoStore):
        database = stack.ledger.store._database
        for name in database.list_collection_names():
            if name != "migrations":
                database[name].delete_many({})
    if isinstance(stack.engine, PostGISEngine):
        for schema in _schemas(stack):
            stack.engine.drop(schema)


def _empty(store: S3Store, reserved: list[str]) -> None:
    for key in _keys(store):
        if not key.startswith((f"{BATCH}/", f"{BASE}/")):
            store._client.delete_object(Bucket=store.bucket, Key=key)
    for key, upload, _ in store._uploads(reserved):
        store._abort(key, upload)


def _successes(ledger: Records) -> int:
    runs = ledger.runs(BATCH)
    return sum(outcome.decision is Decision.SUCCESS for run in runs if (outcome := ledger.outcome(run.id)))
