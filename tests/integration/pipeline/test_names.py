"""Names as uploaders give them: in any script, and as long as a file system takes them."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest

from libs.models import Status
from libs.pipeline.replay import replay
from libs.pipeline.verify import Finding, verify

pytestmark = pytest.mark.integration

CASES = Path(__file__).parents[2] / "data" / "cases"


def made(report: Any) -> list[tuple[str, str | None]]:
    assert report.status is Status.SUCCESS, report.problems
    return [(dataset.dataset_id, dataset.title) for dataset in report.datasets]


def test_names_in_other_scripts(platform: Any, geojson: Callable) -> None:
    files = ["道路", "Дороги", "Straßen & Wege", "roads"]
    report = platform.ingest("b1", *(platform.entry(platform.put(f"in/{name}.geojson", geojson())) for name in files))
    expected = ["daolu-a44c7ba2", "dorogi", "strassen-wege", "roads"]
    assert made(report) == list(zip(expected, files, strict=True))
    for identifier, name in zip(expected, files, strict=True):
        asset = platform.asset(identifier)
        assert (asset.title, asset.version) == (name, 1)
        assert replay(platform.stack, asset, platform.stack.ledger.lineage(identifier, 1)).identical
    report = platform.ingest(
        "b2", platform.entry(platform.put("in/道路.geojson", (CASES / "34-more" / "道路.geojson").read_bytes()))
    )
    assert made(report) == [("daolu-a44c7ba2", "道路")]
    assert report.datasets[0].version == 2


def test_layers_in_other_scripts(platform: Any, frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    for layer in ("道路", "Реки", "roads"):
        frame.to_file(tmp_path / "город.gpkg", layer=layer)
    entry = platform.entry(platform.put("in/город.gpkg", tmp_path / "город.gpkg"))
    assert made(platform.ingest("b1", entry)) == [
        ("gorod.daolu-a44c7ba2", "город: 道路"),
        ("gorod.reki", "город: Реки"),
        ("gorod.roads", "город: roads"),
    ]
    report = platform.ingest("b2", {**entry, "layer": "Реки", "dataset_id": "rivers"})
    assert made(report) == [("rivers", "город: Реки")]


def test_a_dataset_of_several_files_has_no_title(platform: Any, geojson: Callable) -> None:
    files = [platform.entry(platform.put(f"in/{name}.geojson", geojson()), dataset_id="all") for name in ("道路", "大路")]
    assert made(platform.ingest("b1", *files)) == [("all", None)]


def test_names_that_fall_together_are_told(platform: Any, geojson: Callable) -> None:
    """Never one a version of the other. What sounds alike in Chinese stays apart by itself."""
    for batch, names in (("b1", ("Дороги", "dorogi")), ("b2", ("Объект", "Обект"))):
        report = platform.ingest(batch, *(platform.entry(platform.put(f"{batch}/{name}.geojson", geojson())) for name in names))
        assert [problem.code for problem in report.problems] == ["dataset_id_taken"]
        assert report.datasets == ()
    report = platform.ingest("b3", *(platform.entry(platform.put(f"c/{name}.geojson", geojson())) for name in ("市", "诗")))
    first, second = (identifier for identifier, _ in made(report))
    assert (first.partition("-")[0], second.partition("-")[0]) == ("shi", "shi")
    assert first != second


def test_names_that_fall_together_in_two_batches_are_told(platform: Any, geojson: Callable) -> None:
    """Nobody can know whether one is the next version of the other: who delivers is asked, unless a policy answers."""

    def ingest(batch: str, name: str, **more: Any) -> Any:
        return platform.ingest(batch, platform.entry(platform.put(f"in/{name}.geojson", geojson()), **more))

    assert made(ingest("b0", "dorogi")) == [("dorogi", "dorogi")]
    refused = ingest("b1", "Дороги")
    (problem,) = refused.problems
    assert (problem.code, "'Дороги'" in problem.message, "'dorogi'" in problem.message) == ("other_title", True, True)
    assert '"dataset_id": "dorogi"' in problem.remedy
    warned = ingest("b2", "Дороги", on_change={"name": "warn"})
    assert (made(warned), [warning.code for warning in warned.warnings]) == (
        [("dorogi", "Дороги")],
        ["other_title", "same_as_before"],
    )
    for batch, name, more in (("b3", "ДОРОГИ", {}), ("b4", "Дороги!", {"dataset_id": "dorogi"})):
        report = ingest(batch, name, **more)
        assert (made(report), [each.code for each in report.warnings]) == ([("dorogi", name)], ["same_as_before"])


def test_names_that_fall_together_are_told_before_a_file_is_read(
    platform: Any, geojson: Callable, frame: geopandas.GeoDataFrame, tmp_path: Path
) -> None:
    damaged, good = "no GeoJSON", geojson()

    def entry(name: str, content: str = good, **more: Any) -> dict[str, Any]:
        return platform.entry(platform.put(f"in/{name}.geojson", content), **more)

    report = platform.ingest("b1", entry("roads (1)", damaged), entry("Roads-1", damaged))
    (problem,) = report.problems
    assert (report.run_id, problem.code, problem.where) == (None, "dataset_id_taken", "files[1].path")
    assert "'roads (1).geojson'" in problem.message
    assert "'Roads-1.geojson'" in problem.message
    report = platform.ingest("b2", entry("a", damaged, dataset_id="Roads"), entry("roads", damaged))
    assert [(each.code, "only case" in each.message) for each in report.problems] == [("dataset_id_taken", True)]

    assert made(platform.ingest("b3", entry("Roads (1)"))) == [("roads-1", "Roads (1)")]
    report = platform.ingest("b4", entry("roads-1", damaged))
    assert [(report.run_id, each.code, each.where) for each in report.problems] == [(None, "other_title", "files[0].path")]
    report = platform.ingest("b5", entry("x", damaged, dataset_id="Roads-1"))
    (problem,) = report.problems
    assert (report.run_id, problem.code) == (None, "dataset_id_case")
    assert "'Roads-1'" in problem.message
    assert "'roads-1'" in problem.message
    assert '"dataset_id": "roads-1"' in problem.remedy
    report = platform.ingest("b6", entry("x", dataset_id="Roads-1"), on_change={"name": "warn"})
    assert [warning.code for warning in report.warnings] == ["dataset_id_case"]
    report = platform.ingest("b7", entry("x", dataset_id="ROADS-1"), on_change={"name": "allow"})
    assert (report.status, report.warnings) == (Status.SUCCESS, ())
    assert made(platform.ingest("b8", entry("y", dataset_id="Roads-1"))) == [("Roads-1", "y")], "it is there already"

    # What several layers become is known when the file has been read.
    frame.to_file(tmp_path / "ROADS.gpkg", layer="one")
    report = platform.ingest("b9", platform.entry(platform.put("in/ROADS.gpkg", tmp_path / "ROADS.gpkg")))
    assert made(report) == [("roads", "ROADS")]
    named = platform.entry(platform.put("in/other.gpkg", tmp_path / "ROADS.gpkg"))
    report = platform.ingest("b10", named, metadata={"dataset_id": "Roads"})
    assert [(each.code, each.where) for each in report.problems] == [("dataset_id_case", "dataset Roads")]
    assert "Roads" not in platform.stack.ledger.newest_versions()


LONG = {"latin": "a" * 242, "cyrillic": "д" * 121, "chinese": "道" * 80}
"""With ``.geojson``, 250 bytes; or nearly, since letters have two bytes, or three."""


@pytest.fixture(params=["folder", "s3"])
def anywhere(request: pytest.FixtureRequest, open_platform: Callable[..., Any]) -> Any:
    """A platform on each kind of store."""
    if request.param == "folder":
        return open_platform()
    buckets = request.getfixturevalue("buckets")
    reaching = {name.lower(): value for name, value in buckets.environment.items()}
    return open_platform(**reaching, minio_landing_bucket=buckets.new(), minio_lake_bucket=buckets.new())


def put_files(platform: Any, stem: str, folder: Path, geojson: str, frame: geopandas.GeoDataFrame) -> list[dict[str, Any]]:
    """The same name for files of several formats, with all that belongs to them; their entries."""
    frame.to_file(folder / "x.gpkg", layer="one")
    frame.to_file(folder / "x.shp")
    frame.to_file(folder / "x.tab", driver="MapInfo File")
    frame[["name", "geometry"]].to_file(folder / "x.gdb", driver="OpenFileGDB", layer="l")
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr(f"{stem}.geojson", geojson)
    shutil.make_archive(str(folder / "x.gdb"), "zip", folder / "x.gdb")
    paths = {}
    for extension in ("zip", "gpkg", "gdb.zip", "shp", "shx", "dbf", "prj", "cpg", "tab", "dat", "map", "id"):
        paths[extension] = platform.put(f"in/{stem}.{extension}", (folder / f"x.{extension}").read_bytes())
    return [
        platform.entry(platform.put(f"in/{stem}.geojson", geojson)),
        platform.entry(paths["zip"], format="GeoJSON"),
        platform.entry(paths["gpkg"]),
        platform.entry(paths["gdb.zip"], format="FileGDB"),
        platform.entry(paths["shp"]),
        platform.entry(paths["tab"], format="MapInfo TAB", encoding="cp1252"),
    ]


@pytest.mark.parametrize("script", LONG)
def test_a_file_name_of_250_bytes(
    script: str, anywhere: Any, geojson: Callable, frame: geopandas.GeoDataFrame, tmp_path: Path
) -> None:
    stem = LONG[script]
    assert 248 <= len(f"{stem}.geojson".encode()) <= 250
    for number, entry in enumerate(put_files(anywhere, stem, tmp_path, geojson(), frame), 1):
        report = anywhere.ingest(f"b{number}", entry)
        ((identifier, title),) = made(report)
        assert len(identifier) <= 128
        assert title == stem
        assert report.datasets[0].version == number, "the same name: the same dataset"
    other = anywhere.ingest("other", anywhere.entry(anywhere.put(f"in/{stem[:-1]}.geojson", geojson())))
    assert made(other)[0][0] != identifier, "what is cut off counts"
    assert {verified.finding for verified in verify(anywhere.stack)} == {Finding.INTACT}
    assert anywhere.transient() == []
