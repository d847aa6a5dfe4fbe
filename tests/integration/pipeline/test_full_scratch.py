"""A scratch that fills up ends one batch, and the next goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from libs.models import ServiceUnavailable
from libs.pipeline.scratch import _LEAST
from tests.disks import fill, make_room, small_disk

pytestmark = pytest.mark.integration

ROWS = 200_000
LARGE = "n,lon,lat,t\n" + "".join(f"{n},{n * 7919 % 179},{n * 104729 % 89},{n:0220}\n" for n in range(ROWS))
"""47 MB."""


def csv(platform: Any, key: str, text: str, **more: Any) -> dict[str, Any]:
    return platform.entry(platform.put(key, text), crs="EPSG:4326", options={"x": "lon", "y": "lat"}, **more)


@pytest.mark.parametrize(
    ("mib", "memory", "same_disk"),
    [
        pytest.param(20, 384, False, id="the copy of the file"),
        pytest.param(60, 64, False, id="the rows of the result"),
        pytest.param(90, 64, True, id="one disk for all"),
    ],
)
def test_ends_one_batch(
    mib: int, memory: int, same_disk: bool, open_platform: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    places = {"spatial_etl_scratch": disk / "scratch"} | ({"spatial_etl_home": disk / "home"} if same_disk else {})
    with small_disk(disk, mib):
        platform = open_platform(**places, spatial_etl_memory_mb=memory)
        platform.submit("a-large", csv(platform, "in/large.csv", LARGE))
        platform.submit("b-small", csv(platform, "in/small.csv", "n,lon,lat\n1,2,3\n"))
        large, small = platform.process()
        assert (large.status, [problem.code for problem in large.problems]) == ("failure", ["scratch_full"])
        assert "SPATIAL_ETL_SCRATCH" in large.problems[0].remedy
        assert small.status == "success"
        assert platform.process() == []
        platform.stack.engine.close()


def test_an_archive_that_does_not_fit_is_not_called_damaged(open_platform: Callable[..., Any], tmp_path: Path) -> None:
    table = geopandas.GeoDataFrame({"t": ["x" * 250] * 90_000}, geometry=[shapely.Point(1, 1)] * 90_000, crs="EPSG:4326")
    table.to_file(tmp_path / "a.shp.zip", driver="ESRI Shapefile")
    with small_disk(tmp_path / "disk", 20):
        platform = open_platform(spatial_etl_scratch=tmp_path / "disk")
        path = platform.put("in/a.zip", (tmp_path / "a.shp.zip").read_bytes())
        report = platform.ingest("town", {"path": path, "type": "vector", "format": "ESRI Shapefile"})
        assert [problem.code for problem in report.problems] == ["scratch_full"]
        platform.stack.engine.close()


def test_a_disk_that_others_have_filled_is_waited_for(open_platform: Callable[..., Any], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40):
        platform = open_platform(spatial_etl_scratch=tmp_path / "disk")
        platform.submit("town", csv(platform, "in/large.csv", LARGE))
        fill(tmp_path / "disk", but=_LEAST // 2)
        with pytest.raises(ServiceUnavailable, match="no space left"):
            platform.process()
        make_room(tmp_path / "disk")
        assert platform.stack.ledger.batch("town").status == "queued"
        platform.stack.engine.close()
