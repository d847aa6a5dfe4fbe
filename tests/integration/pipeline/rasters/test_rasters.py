"""Rasters, from what somebody delivers to a Cloud Optimized GeoTIFF with lineage."""

import json
import sqlite3
import struct
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from libs.models import Finding, RasterSummary
from libs.pipeline.replay import replay
from libs.pipeline.verify import verify
from tests.integration.pipeline.conftest import Platform

pytestmark = pytest.mark.integration

Deliver = Callable[..., dict[str, Any]]
Compare = Callable[[Mapping[str, str]], dict[str, list[str]]]

KEPT = (
    "uint8.tif", "int8.tif", "uint16.tif", "int16.tif", "uint32.tif", "int32.tif", "uint64.tif", "int64.tif", "float32.tif",
    "float64.tif", "nan.tif", "rgba.tif", "mask.tif", "palette.tif", "turned.tif", "gcps.tif", "heights.tif", "many.tif",
)  # fmt: skip
OTHERS = {
    "picture.png": "EPSG:25832", "photo.jpg": None, "grid.asc": "EPSG:25832", "image.img": None, "n50.dt1": None,
    "weather.grib2": None,
}  # fmt: skip


def lake_file(platform: Platform, dataset_id: str) -> str:
    return str(platform.stack.lake.store.root / platform.asset(dataset_id).files[0].key)


def summary_of(platform: Platform, dataset_id: str) -> RasterSummary:
    summary = platform.asset(dataset_id).summary
    assert isinstance(summary, RasterSummary)
    return summary


def test_every_pixel_and_all_that_is_said_of_it_are_in_a_valid_cog(
    platform: Platform, deliver: Deliver, rasters: Path, compare: Compare
) -> None:
    report = platform.ingest("kept", *map(deliver, KEPT), intent="ingest_raster")
    assert (report.status, report.problems, report.warnings) == ("success", (), ())
    found = compare({str(rasters / name): lake_file(platform, Path(name).stem) for name in KEPT})
    assert found == {str(rasters / name): [] for name in KEPT}
    assert {each.finding for each in verify(platform.stack)} <= {Finding.INTACT}
    for name in ("nan", "palette"):
        asset = platform.asset(name)
        lineage = platform.stack.ledger.lineage(name, 1)
        assert lineage is not None
        assert replay(platform.stack, asset, lineage).identical


def test_other_formats_are_kept_with_their_world_files_and_projections(
    platform: Platform, deliver: Deliver, rasters: Path, compare: Compare
) -> None:
    entries = [deliver(name, **({"crs": crs} if crs else {})) for name, crs in OTHERS.items()]
    report = platform.ingest("others", *entries)
    assert (report.status, report.problems) == ("success", ())
    found = compare({str(rasters / name): lake_file(platform, Path(name).stem) for name in OTHERS})
    said_by_the_manifest = {"crs: None / EPSG:25832", "colours: ['undefined'] / ['gray']"}
    assert {name: {*differences} - said_by_the_manifest for name, differences in found.items()} == {name: set() for name in found}
    assert summary_of(platform, "grid").bands[0].maximum == 12.25
    lineage = platform.stack.ledger.lineage("photo", 1)
    assert lineage is not None
    assert {each.key.rpartition("/")[2] for each in lineage.inputs[0].objects} == {"photo.jpg", "photo.jgw", "photo.prj"}
    assert lineage.recipe["name"] == "ingest_raster"


def test_the_record_says_what_a_raster_is(platform: Platform, deliver: Deliver) -> None:
    report = platform.ingest("facts", deliver("nan.tif"), deliver("palette.tif"), deliver("float64.tif", categorical=True))
    summary = summary_of(platform, "nan")
    band = summary.bands[0]
    assert (summary.width, summary.height, summary.crs, summary.resolution) == (1300, 700, "EPSG:25832", (2.0, 2.0))
    assert (summary.overviews, summary.resampling, summary.pixel_is_point) == (((650, 350), (325, 175)), "average", True)
    assert (band.type, band.nodata, band.name, band.unit, band.scale, band.offset) == (
        "float32",
        "nan",
        "height",
        "m",
        0.5,
        100.0,
    )
    assert (band.valid, sum(band.histogram)) == (1300 * 700 - 20_000, 1300 * 700 - 20_000)
    assert summary_of(platform, "palette").resampling == summary_of(platform, "float64").resampling == "mode"
    assert summary_of(platform, "palette").bands[0].colour == "palette"
    assert report.datasets[0].raster == summary
    assert report.datasets[0].features is None
    assert report.datasets[0].bbox == summary.bbox


@pytest.mark.parametrize(
    ("name", "more", "code"),
    [
        ("complex.tif", {}, "raster_type_not_kept"),
        ("nocrs.tif", {}, "crs_missing"),
        ("zstd.tif", {}, "raster_compression"),
        ("terabyte.tif", {}, "expands_too_much"),
        ("uint8.tif", {"crs": "EPSG:3857"}, "crs_mismatch"),
        ("uint8.tif", {"type": "vector"}, "format_mismatch"),
        ("uint8.tif", {"format": "PNG"}, "format_mismatch"),
        ("uint8.tif", {"layer": "other"}, "unknown_layer"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_reason(
    platform: Platform, deliver: Deliver, name: str, more: dict[str, Any], code: str
) -> None:
    report = platform.ingest("refused", deliver(name, **more))
    assert [problem.code for problem in report.problems] == [code]
    assert platform.lies_in("lake") == []


def test_a_crs_in_the_manifest_replaces_that_of_the_file_only_if_it_is_told_to(platform: Platform, deliver: Deliver) -> None:
    report = platform.ingest("replaced", deliver("uint8.tif", crs="EPSG:25833", replace_crs=True))
    assert [warning.code for warning in report.warnings] == ["crs_replaced"]
    assert summary_of(platform, "uint8").crs == "EPSG:25833"
    local = platform.ingest("local", deliver("nocrs.tif", crs="none"))
    assert (local.status, summary_of(platform, "nocrs").crs) == ("success", None)


@pytest.mark.parametrize(("east", "codes"), [(0.0, []), (0.5, ["world_file_differs"])])
def test_a_world_file_that_says_something_else_is_told(
    platform: Platform, deliver: Deliver, east: float, codes: list[str]
) -> None:
    entry = deliver("uint8.tif")
    platform.ingest("bare", entry)
    x, dx, rx, y, ry, dy = summary_of(platform, "uint8").transform or (0,) * 6
    lines = (dx, ry, rx, dy, x + dx / 2 + rx / 2 + east * dx, y + ry / 2 + dy / 2)
    platform.stack.landing.store.put(
        entry["path"].removeprefix("s3://landing-zone/").replace(".tif", ".tfw"),
        "\n".join(f"{line:.6f}" for line in lines).encode(),
    )
    report = platform.ingest("beside", entry)
    assert report.status == "success"
    assert [warning.code for warning in report.warnings if warning.code == "world_file_differs"] == codes


def test_a_picture_without_a_world_file_lies_nowhere(platform: Platform, rasters: Path) -> None:
    platform.stack.landing.store.put("in/alone.png", (rasters / "picture.png").read_bytes())
    entry = {"path": "s3://landing-zone/in/alone.png", "type": "raster", "format": "PNG", "crs": "EPSG:25832"}
    report = platform.ingest("nowhere", entry)
    assert [problem.code for problem in report.problems] == ["raster_not_placed"]
    assert platform.ingest("placed", entry | {"crs": "none"}).status == "success"


def test_a_batch_may_hold_layers_and_rasters(platform: Platform, deliver: Deliver, geojson: Callable[..., str]) -> None:
    places = platform.entry(platform.put("in/places.geojson", geojson()))
    report = platform.ingest("mixed", deliver("uint8.tif"), places)
    assert {made.dataset_id: made.kind for made in report.datasets} == {"uint8": "raster", "places": "vector"}
    clip = platform.ingest("steps", deliver("uint8.tif"), places, intent="clip", parameters={"bbox": [0, 0, 1, 1]})
    assert [problem.code for problem in clip.problems] == ["recipe_not_for_rasters"]


def test_a_new_version_is_held_against_the_one_before(platform: Platform, deliver: Deliver) -> None:
    first = platform.ingest("first", deliver("uint8.tif", dataset_id="survey"))
    assert first.warnings == ()
    second = platform.ingest("second", deliver("float32.tif", dataset_id="survey"))
    assert [warning.code for warning in second.warnings] == ["bands_changed"]
    third = platform.ingest("third", deliver("large.tif", dataset_id="survey"), on_change="reject")
    assert {problem.code for problem in third.problems} == {"bands_changed", "pixels_changed"}


def test_an_archive_of_rasters_makes_a_dataset_of_each(platform: Platform, rasters: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "survey.zip", "w") as archive:
        for name in ("uint8.tif", "photo.jpg", "photo.jgw", "int16.tif"):
            archive.write(rasters / name, f"delivery/{name}")
    platform.stack.landing.store.put("in/survey.zip", (tmp_path / "survey.zip").read_bytes())
    entry = {"path": "s3://landing-zone/in/survey.zip", "type": "raster", "format": "GeoTIFF", "encoding": "UTF-8"}
    report = platform.ingest("survey", entry)
    assert sorted(made.dataset_id for made in report.datasets) == ["survey.int16", "survey.uint8"]
    assert [warning.code for warning in report.warnings] == ["documents_not_read", "options_ignored"]
    one = platform.ingest("one", entry | {"layer": "int16", "dataset_id": "one"})
    assert [made.dataset_id for made in one.datasets] == ["one"]


def forged(width: int, height: int, tile: int, bands: int = 1, compression: int = 8) -> bytes:
    """A TIFF whose header claims much, with a tile of a few bytes."""
    tags = [(256, width), (257, height), (258, 8), (259, compression), (262, 1), (277, bands), (322, tile), (323, tile),
            (324, 8), (325, 8)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags)
    return struct.pack("<2sHI", b"II", 42, 16) + b"\x78\x9c\x03\0\0\0\0\1" + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    "content",
    [
        forged(2**31, 2**31, 512), forged(40_000, 40_000, 40_000), forged(100, 100, 2**31), forged(0, 10, 16),
        forged(30_000, 30_000, 16), forged(512, 512, 512, bands=60_000), b"II*\0" + struct.pack("<I", 8) + bytes(4),
        struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 256, 4, 1, 9, 8),
    ],
)  # fmt: skip
def test_a_forged_header_is_refused_at_once(platform: Platform, content: bytes) -> None:
    platform.stack.landing.store.put("in/forged.tif", content)
    started = time.monotonic()
    report = platform.ingest(
        "forged", {"path": "s3://landing-zone/in/forged.tif", "type": "raster", "format": "GeoTIFF", "crs": "none"}
    )
    took = time.monotonic() - started
    assert {problem.code for problem in report.problems} <= {"damaged", "expands_too_much", "unreadable", "value_lost"}
    assert report.problems
    assert took < 5  # 2 s, on a machine that does nothing else


def test_two_rasters_are_not_one_dataset(platform: Platform, deliver: Deliver) -> None:
    report = platform.ingest("same", *(deliver(name, dataset_id="survey") for name in ("uint8.tif", "int8.tif")))
    assert {problem.code for problem in report.problems} == {"dataset_id_taken"}


def test_verify_finds_a_record_that_does_not_say_what_the_file_says(platform: Platform, deliver: Deliver) -> None:
    platform.ingest("one", deliver("uint8.tif"))
    with closing(sqlite3.connect(platform.stack.ledger.store.path, isolation_level=None)) as connection:
        edited = "UPDATE documents SET body = json_set(body, '$.summary.width', 91) WHERE collection = 'assets'"
        assert connection.execute(edited).rowcount == 1
    said = [each.message for each in verify(platform.stack) if "pixels" in each.message]
    assert said == ["It does not say what the files of the version say: data.tif has 90 x 70 pixels."]


def test_nothing_outside_of_a_file_is_read(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "secret.tif").write_bytes(b"II*\0")
    virtual = f'<VRTDataset rasterXSize="1" rasterYSize="1"><SourceFilename>{tmp_path}/secret.tif</SourceFilename></VRTDataset>'
    platform.stack.landing.store.put("in/hidden.tif", virtual.encode())
    report = platform.ingest("hidden", {"path": "s3://landing-zone/in/hidden.tif", "type": "raster", "format": "GeoTIFF"})
    assert [problem.code for problem in report.problems] == ["format_mismatch"]


@pytest.mark.parametrize("cut", [9, 200, 5000])
def test_a_raster_that_was_cut_off_is_refused(platform: Platform, rasters: Path, cut: int) -> None:
    content = (rasters / "nan.tif").read_bytes()
    platform.stack.landing.store.put("in/cut.tif", content[:-cut] if cut != 9 else content[:9])
    report = platform.ingest("cut", {"path": "s3://landing-zone/in/cut.tif", "type": "raster", "format": "GeoTIFF"})
    assert {problem.code for problem in report.problems} <= {"damaged", "value_lost", "unreadable"}
    assert report.problems


def test_the_report_of_a_raster_is_plain_json(platform: Platform, deliver: Deliver) -> None:
    report = platform.ingest("plain", deliver("many.tif"), deliver("gcps.tif"))
    said = json.loads(report.model_dump_json())
    assert [len(made["raster"]["bands"]) for made in said["datasets"]] == [300, 1]
    assert said["datasets"][1]["bbox"] is None
