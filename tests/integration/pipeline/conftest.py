"""The whole embedded platform in a folder, and what an uploader does with it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models import Asset, Report
from libs.models.settings import Settings
from libs.pipeline.process import process
from libs.pipeline.stack import Stack
from libs.platform import open_stack
from libs.storage import RECORD

FORMATS = {
    ".geojson": "GeoJSON", ".geojsonl": "GeoJSONSeq", ".gpkg": "GPKG", ".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf",
    ".csv": "CSV", ".kml": "KML", ".gml": "GML", ".parquet": "GeoParquet",
}  # fmt: skip


@dataclass
class Platform:
    """A stack, as uploaders and readers see it."""

    stack: Stack
    home: Path

    def put(self, key: str, content: bytes | str | Path) -> str:
        """Upload a file, with its sidecars if it is one of a disk; its path for the manifest."""
        landing = self.stack.landing
        if isinstance(content, Path):
            for each in sorted(content.parent.glob(f"{content.stem}.*")):
                landing.store.put(f"{key.removesuffix(content.suffix)}{each.suffix}", each)
        else:
            landing.store.put(key, content.encode() if isinstance(content, str) else content)
        return landing.store.uri(key)

    def entry(self, path: str, **more: Any) -> dict[str, Any]:
        """A manifest's entry for a file."""
        known = FORMATS.get(Path(path).suffix)
        return {"path": path, "type": "vector"} | ({"format": known} if known else {}) | more

    def submit(self, batch_id: str, *files: dict[str, Any], **more: Any) -> str:
        """Put a manifest there, as any client can: replacing what waits under its name. Its key."""
        content = {"batch_id": batch_id, "uploader": "someone", "intent": "ingest_vector", "files": list(files)} | more
        self.stack.landing.store.put(f"manifests/{batch_id}.json", json.dumps(content).encode())
        return f"manifests/{batch_id}.json"

    def process(self) -> list[Report]:
        """Work the landing zone off."""
        return list(process(self.stack))

    def ingest(self, batch_id: str, *files: dict[str, Any], **more: Any) -> Report:
        """Upload a manifest and have it processed."""
        self.submit(batch_id, *files, **more)
        (report,) = self.process()
        return report

    def read(self, dataset_id: str, version: int | None = None) -> pa.Table:
        """The rows of a version."""
        asset = self.asset(dataset_id, version)
        return pa.concat_tables([pq.read_table(self.stack.lake.store.root / file.key) for file in asset.files])

    def asset(self, dataset_id: str, version: int | None = None) -> Asset:
        """A version's record."""
        asset = self.stack.ledger.asset(dataset_id, version)
        assert asset is not None, f"no {dataset_id} in the ledger"
        return asset

    def lies_in(self, bucket: str) -> list[str]:
        """All keys of a bucket; the lake's identity and the records of versions aside."""
        listed = self.stack.lake.objects() if bucket == "lake" else self.stack.landing.store.list()
        return [info.key for info in listed if not info.key.endswith(f"/{RECORD}")]

    def transient(self) -> list[str]:
        """What lies in scratch, the living engine's own folder aside."""
        found = (path for path in (self.home / "scratch").rglob("*") if "duckdb_" not in str(path))
        return sorted(str(path.relative_to(self.home / "scratch")) for path in found if path.name != "runs")


@pytest.fixture
def open_platform(tmp_path: Path) -> Iterator[Callable[..., Platform]]:
    """Opens the platform in ``tmp_path / "home"``, each time as another process would."""
    with ExitStack() as opened:

        def open_platform(**settings: Any) -> Platform:
            home = settings.pop("spatial_etl_home", tmp_path / "home")
            stack = opened.enter_context(open_stack(Settings(spatial_etl_home=home, _env_file=None, **settings)))
            return Platform(stack, home)

        yield open_platform


@pytest.fixture
def platform(open_platform: Callable[..., Platform]) -> Platform:
    return open_platform()


@pytest.fixture
def geojson() -> Callable[..., str]:
    """A FeatureCollection of points, numbered from 0."""

    def geojson(count: int = 3, **properties: Any) -> str:
        features = [
            {
                "type": "Feature",
                "properties": {"n": n, **properties},
                "geometry": {"type": "Point", "coordinates": [n % 170, n % 80]},
            }
            for n in range(count)
        ]
        return json.dumps({"type": "FeatureCollection", "features": features})

    return geojson


@pytest.fixture
def frame() -> geopandas.GeoDataFrame:
    """Four polygons in UTM 32, one of them invalid, with attributes of several types."""
    squares = [shapely.box(500_000 + x, 5_500_000, 500_000 + x + 10, 5_500_010) for x in (0, 100, 200)]
    bowtie = shapely.Polygon([(500_300, 5_500_000), (500_310, 5_500_010), (500_310, 5_500_000), (500_300, 5_500_010)])
    columns = {"name": ["a", "b", None, "d"], "height": [1.5, 2.5, 3.5, None], "count": [1, 2, 3, 4]}
    return geopandas.GeoDataFrame(columns, geometry=[*squares, bowtie], crs="EPSG:25832")
