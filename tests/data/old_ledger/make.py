"""Makes ``home.tar.gz``: a ledger, a lake and a landing zone as the release before "records that can grow" wrote them.

Run it with the code of that release, commit 67ad0f9, never with this one::

    git worktree add --detach OLD 67ad0f9
    PYTHONPATH=OLD .venv/bin/python tests/data/old_ledger/make.py OLD

What is in it:

- ``alpha.points`` 1 and 2 (GeoJSON), ``roads`` 1 (FlatGeobuf), ``parcels`` 1 (GeoPackage), ``trees`` 1 (CSV with x and y),
  ``prices`` 1 (a table), ``simple`` 1 (a recipe with parameters);
- the batches ``rejected`` (a file is missing) and ``failed`` (three workers were lost);
- ``lost``: a worker died after it had reserved and placed ``lost`` 1: its run has an outcome, its file is gc's;
- ``unpublished``: its outcome is committed, and its assets are not copied yet;
- ``waiting``: the third version of ``alpha.points``, not processed yet.

Places and names of the machine are replaced, so that nothing in the fixture says where it was made.
"""

import io
import json
import socket
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import geopandas
import shapely

from libs.ledger import Ledger
from libs.models import Decision, Run
from libs.models.settings import Settings
from libs.pipeline.ingest import ingest
from libs.pipeline.process import process
from libs.pipeline.stack import Stack, no_progress
from libs.platform import open_stack

HOME = "old-home"


def main(release: Path) -> None:
    """Make the fixture beside this file."""
    import libs

    if Path(libs.__file__).resolve().parent.parent != release.resolve():
        sys.exit(f"The code is that of {libs.__file__}, not of {release}: set PYTHONPATH.")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve() / HOME
        fill(Settings(spatial_etl_home=home, _env_file=None))
        anonymize(home)
        pack(home, Path(__file__).with_name("home.tar.gz"))


def fill(settings: Settings) -> None:
    """Do with the platform what leaves every kind of record."""
    with open_stack(settings) as stack:
        path = put(stack, "points/points.geojson", geojson(3))
        submit(stack, "points-1", {"path": path, "format": "GeoJSON"}, metadata={"project": "ALPHA"})
        frame = geopandas.GeoDataFrame(
            {"name": ["a", "b"], "lanes": [1, None]},
            geometry=[shapely.LineString([(9, 53), (9.1, 53)]), shapely.LineString([(9, 53), (9.1, 53.1)])],
            crs="EPSG:4326",
        )
        submit(stack, "roads", {"path": put(stack, "r/roads.fgb", drawn(frame, "FlatGeobuf")), "format": "FlatGeobuf"})
        squares = geopandas.GeoDataFrame(
            {"owner": ["x", None]}, geometry=[shapely.box(5e5, 55e5, 500_010, 5_500_010)] * 2, crs="EPSG:25832"
        )
        submit(stack, "parcels", {"path": put(stack, "p/parcels.gpkg", drawn(squares, "GPKG")), "format": "GPKG"})
        path = put(stack, "t/trees.csv", "species,x,y\noak,9.5,53.5\nlime,9.6,53.6\n")
        submit(stack, "trees", {"path": path, "format": "CSV", "crs": "EPSG:4326", "options": {"x": "x", "y": "y"}})
        path = put(stack, "t/prices.csv", "year,price\n2024,1.5\n2025,2.5\n")
        submit(stack, "prices", {"path": path, "type": "tabular", "format": "CSV"})
        path = put(stack, "s/simple.geojson", geojson(5))
        clipped = {"parameters": {"bbox": [-1, -1, 3.5, 3.5]}, "intent": "clip"}
        submit(stack, "simple", {"path": path, "format": "GeoJSON", "dataset_id": "simple"}, **clipped)
        submit(stack, "rejected", {"path": "s3://landing-zone/gone.geojson", "format": "GeoJSON"})
        for report in process(stack):
            print(report.batch_id, report.status, [problem.message for problem in report.problems])
        path = put(stack, "points2/points.geojson", geojson(4))
        submit(stack, "points-2", {"path": path, "format": "GeoJSON"}, metadata={"project": "ALPHA"})
        submit(stack, "unpublished", {"path": put(stack, "u/unpublished.geojson", geojson(2)), "format": "GeoJSON"})
        print([(report.batch_id, report.status) for report in process(stack)])
        lose(stack)
        path = put(stack, "points3/points.geojson", geojson(5))
        submit(stack, "waiting", {"path": path, "format": "GeoJSON"}, metadata={"project": "ALPHA"})
    with closing(sqlite3.connect(settings.spatial_etl_home / "ledger.sqlite")) as ledger:
        ledger.execute("DELETE FROM documents WHERE collection IN ('assets', 'lineage') AND id = 'unpublished@1'")
        ledger.commit()


def lose(stack: Stack) -> None:
    """Batches whose workers die: one three times at once, one after it has placed its file."""
    submit(stack, "failed", {"path": put(stack, "f/failed.geojson", geojson(1)), "format": "GeoJSON"})
    for _ in range(3):
        with dying(stack, "failed"):
            pass
    info = next(info for info in stack.landing.waiting() if info.key == "manifests/failed.json")
    print([(report.batch_id, report.status) for report in process(stack, keys={info.key})])
    submit(stack, "lost", {"path": put(stack, "l/lost.geojson", geojson(1)), "format": "GeoJSON"})
    with dying(stack, "lost") as (ledger, run, manifest):
        ledger.decide = lambda outcome: False  # type: ignore[method-assign] - it dies before its outcome is there
        object.__setattr__(stack, "ledger", ledger)
        if ingest(stack, run, manifest, no_progress) is not None:
            sys.exit("It did not die.")


@contextmanager
def dying(stack: Stack, batch_id: str) -> Iterator[Any]:
    """A worker that claims a batch and gives no sign of life; its run is given up at the end."""
    own = stack.ledger
    key = f"manifests/{batch_id}.json"
    info = next(info for info in stack.landing.waiting() if info.key == key)
    worker = Ledger(own.store, lease_seconds=0.05)
    received = worker.receive(key, stack.landing.store.read(key), info.version, stack.landing.bucket)
    run = worker.claim(received, {"spatial-etl": "0"})
    if not isinstance(run, Run):
        sys.exit(f"{batch_id} was not to be had.")
    yield worker, run, received.manifest
    object.__setattr__(stack, "ledger", own)
    import time

    time.sleep(0.1)
    outcome = own.give_up(run)
    if outcome is None or outcome.decision is not Decision.FAILURE:
        sys.exit(f"{run.id} was not given up.")


def put(stack: Stack, key: str, content: bytes | str) -> str:
    """Upload a file; its path for the manifest."""
    stack.landing.store.put(key, content.encode() if isinstance(content, str) else content)
    return stack.landing.store.uri(key)


def submit(stack: Stack, batch_id: str, file: dict[str, Any], **more: Any) -> None:
    """Upload a manifest."""
    content = {"batch_id": batch_id, "uploader": "someone", "intent": "ingest_vector", "files": [{"type": "vector"} | file]}
    stack.landing.submit(json.dumps(content | more).encode(), batch_id)


def geojson(count: int) -> str:
    """Points, numbered from 0."""
    features = [
        {"type": "Feature", "properties": {"n": n}, "geometry": {"type": "Point", "coordinates": [n, n]}} for n in range(count)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def drawn(frame: geopandas.GeoDataFrame, driver: str) -> bytes:
    """A frame as a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("file.gpkg" if driver == "GPKG" else "file.fgb")
        frame.to_file(path, driver=driver)
        return path.read_bytes()


def anonymize(home: Path) -> None:
    """Take the machine out of the records: folder and host name."""
    names = {str(home.parent): "", socket.gethostname(): "machine"}
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger:
        for name, instead in names.items():
            ledger.execute("UPDATE documents SET body = replace(body, ?, ?)", (name, instead))
        ledger.commit()
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ledger.execute("VACUUM")
    identity = home / "data-lake" / "_spatial-etl" / "lake.json"
    text = identity.read_text()
    for name, instead in names.items():
        text = text.replace(name, instead)
    identity.write_text(text)


def pack(home: Path, target: Path) -> None:
    """The home as an archive, without scratch and locks."""
    with tarfile.open(target, "w:gz") as archive:
        for path in sorted(home.rglob("*")):
            name = path.relative_to(home)
            if path.is_file() and name.parts[0] != "scratch" and not path.name.endswith(("-wal", "-shm")):
                member = tarfile.TarInfo(f"{HOME}/{name}")
                member.size, member.mtime = path.stat().st_size, int(path.stat().st_mtime)
                archive.addfile(member, io.BytesIO(path.read_bytes()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
