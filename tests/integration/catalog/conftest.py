"""A real catalog: a lake that ``ingest`` made of the demo's files, and the server on loopback, in this process."""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from libs.models.settings import Settings
from services.catalog.app import application, server
from services.catalog.state import State, opened

ROOT = Path(__file__).parents[3]
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Served:
    """A catalog that runs."""

    state: State
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, body: str) -> Answer:
        return self.get(path, "POST", body, Content_Type="application/json")

    def get(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        """Ask as typed: nothing of the path is changed before it is sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


@contextmanager
def served(state: State) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = server(application(state))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(state, listener.getsockname()[1])
        finally:
            running.should_exit = True
            thread.join()


def crowd() -> Iterator[dict[str, Any]]:
    """More features than one tile shows: points, tiny and huge and thin shapes, and three without a place on the map."""
    chance = random.Random(1)
    shapes: list[dict[str, Any] | None] = [
        {"type": "Point", "coordinates": [chance.gauss(10, 2), chance.gauss(50, 2)]} for _ in range(5_000)
    ]
    for _ in range(1_000):
        x, y = chance.gauss(9, 0.01), chance.gauss(48, 0.01)
        shapes.append({"type": "Polygon", "coordinates": [[[x, y], [x + 1e-6, y], [x, y + 1e-6], [x, y]]]})
    shapes += [
        {"type": "Polygon", "coordinates": [[[-60, 0], [60, 0], [60, 70], [-60, 70], [-60, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 40], [20, 40], [20, 40.0000001], [0, 40]]]},
        {"type": "LineString", "coordinates": [[179, 10], [180, 10]]},
        {"type": "LineString", "coordinates": [[5, 60], [5, 89]]},
        {
            "type": "GeometryCollection",
            "geometries": [{"type": "Point", "coordinates": [x, 1]} for x in (1, 2)],
        },
        {"type": "Point", "coordinates": [10, 88]},
        {"type": "Point", "coordinates": []},
        None,
    ]
    for number, shape in enumerate(shapes):
        yield {"type": "Feature", "properties": {"number": number, "big": 2**60 + number, "day": "2026-03-01"}, "geometry": shape}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parks in two versions, the second in UTM; a town; a table; a crowd; a raster; a hostile dataset; a rejected batch."""
    folder = tmp_path_factory.mktemp("catalog")
    feature = {
        "type": "Feature",
        "properties": {HOSTILE: HOSTILE, "File_Row_Number": 7, "a": 1, "A": 2},
        "geometry": {"type": "Point", "coordinates": [1, 2]},
    }
    (folder / "crowd.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [*crowd()]}))
    (folder / "relief.asc").write_text(
        "ncols 2\nnrows 1\nxllcorner 565000\nyllcorner 5930000\ncellsize 10\nNODATA_value -9999\n12.5 -9999\n"
    )
    (folder / "hostile.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPATIAL_", "MINIO_", "MONGO_"))}
    environment |= {"SPATIAL_ETL_HOME": str(folder / "var"), "USER": "<b>tester</b>"}
    data = ROOT / "demo/data"
    for code, *arguments in (
        (0, data / "parks.geojson", data / "town.gpkg", data / "trees.csv", "--project", "Riverton"),
        (0, data / "parks.geojson", "--project", "Riverton", "--intent", "reproject", "--param", "crs=EPSG:25832"),
        (0, folder / "hostile.geojson", "--project", "<i>Evil</i>"),
        (0, folder / "crowd.geojson", "--project", "City"),
        (0, folder / "relief.asc", "--project", "City", "--crs", "EPSG:25832"),
        (1, data / "cut_off/districts.shp", "--project", "Riverton", "--batch-id", "cut-off"),
    ):
        command = [Path(sys.executable).with_name("spatial-etl"), "ingest", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
    return folder / "var"


@pytest.fixture(scope="session")
def catalog(home: Path) -> Iterator[Served]:
    with opened(Settings(spatial_etl_home=home, _env_file=None)) as state, served(state) as running:
        yield running
