"""Rasters of all kinds, made once, and the comparison of what became of them: both in a process of their own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.pipeline.conftest import Platform

_SCRIPT = Path(__file__).with_name("raster_files.py")
_FORMATS = {".tif": "GeoTIFF", ".png": "PNG", ".jpg": "JPEG", ".asc": "AAIGrid", ".img": "ERDAS Imagine", ".dt1": "DTED",
            ".grib2": "GRIB", ".bil": "ENVI", ".hgt": "SRTM HGT", ".xyz": "XYZ", ".dem": "USGS DEM", ".gpkg": "GPKG",
            ".mbtiles": "MBTiles"}  # fmt: skip


@pytest.fixture(scope="session")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of rasters; see raster_files.py."""
    folder = tmp_path_factory.mktemp("rasters")
    subprocess.run([sys.executable, "-W", "ignore", _SCRIPT, "make", folder], check=True)
    return folder


@pytest.fixture
def compare() -> Callable[[Mapping[str, str]], dict[str, list[str]]]:
    """In what rasters differ from their sources, as rasterio reads both; and in what they are no COGs."""

    def compare(pairs: Mapping[str, str]) -> dict[str, list[str]]:
        command = [sys.executable, "-W", "ignore", _SCRIPT, "compare"]
        done = subprocess.run(command, input=json.dumps([*pairs.items()]), capture_output=True, text=True, check=True)
        found: dict[str, list[str]] = json.loads(done.stdout)
        return found

    return compare


@pytest.fixture
def deliver(platform: Platform, rasters: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Uploads a raster with what belongs to it; its entry for a manifest."""

    def deliver(name: str, **more: Any) -> dict[str, Any]:
        source = tmp_path / "sources" / Path(name).stem
        source.mkdir(parents=True, exist_ok=True)
        for each in rasters.glob(f"{Path(name).stem}.*"):
            shutil.copyfile(each, source / each.name)
        path = platform.put(f"in/{name}", source / name)
        return {"path": path, "type": "raster", "format": _FORMATS[Path(name).suffix]} | more

    return deliver
