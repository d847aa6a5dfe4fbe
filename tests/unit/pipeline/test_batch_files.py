"""Looking up the files of a batch: right, complete, and linear."""

import time
from pathlib import Path

import pytest

from libs.models import Rejected
from libs.pipeline.batch_files import BatchFiles
from libs.storage import FolderStore, LandingZone


@pytest.fixture
def landing(tmp_path: Path) -> LandingZone:
    return LandingZone(FolderStore(tmp_path / "landing-zone", "landing-zone"))


def dropped(landing: LandingZone, *keys: str) -> None:
    for key in keys:
        path = landing.store.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_a_key_resolves_to_its_object_or_to_those_of_its_folder(landing: LandingZone) -> None:
    dropped(
        landing, "x/a.gpkg", "x/a.gpkg-wal", "x/roads.gdb/1.gdbtable", "x/roads.gdb/2.gdbtable", "x/roads.gdb.zip", "x/ab.gpkg"
    )
    files = BatchFiles(landing, ["x/a.gpkg", "x/roads.gdb"])
    assert [info.key for info in files.resolve("x/a.gpkg")] == ["x/a.gpkg"]
    assert [info.key for info in files.resolve("x/roads.gdb")] == ["x/roads.gdb/1.gdbtable", "x/roads.gdb/2.gdbtable"]
    assert files.resolve("x/b.gpkg") == []
    assert files.beside("x/a.gpkg") == ["x/a.gpkg", "x/a.gpkg-wal"]


@pytest.mark.parametrize("key", ["roads", "a.b/roads", "roads.v2"])
def test_sidecars_of_odd_names_are_found(landing: LandingZone, key: str) -> None:
    dropped(landing, key, f"{key}-wal", f"{key}.prj", f"{key}2", "other")
    assert {f"{key}-wal", f"{key}.prj"} <= {*BatchFiles(landing, [key]).beside(key)}
    assert [info.key for info in BatchFiles(landing).resolve(key)] == [key]


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ("x/Roads.geojson", "x/roads.geojson"),
        ("x/caf\u0065\u0301.json", "x/caf\u00e9.json"),
        ("x/roads.geojson", "x/raods.geojson"),
        ("x/roads.geojson", "x/oads.geojson"),
    ],
)
def test_a_missing_file_is_told_with_the_one_that_was_meant(landing: LandingZone, there: str, asked: str) -> None:
    dropped(landing, there, *(f"x/{n:04}.csv" for n in range(500)), *(f"x/z{n:04}.csv" for n in range(500)))
    problem = BatchFiles(landing).missing(asked, "files[0].path")
    assert problem.code == "missing_file"
    assert f"s3://landing-zone/{there}" in problem.message
    assert BatchFiles(landing).missing("nothing/like/it", "files[0].path").message.endswith("landing zone.")


def test_what_is_not_read_is_refused_and_not_called_missing(landing: LandingZone) -> None:
    dropped(landing, "x/roads.gdb/1.gdbtable", "x/roads.shp")
    (landing.store.root / "passwd.geojson").symlink_to("/etc/passwd")
    (landing.store.root / "x/roads.gdb/2.gdbtable").symlink_to("/etc/passwd")
    (landing.store.root / "x/roads.dbf").symlink_to("/etc/passwd")
    (landing.store.root / "y").symlink_to("x")
    files = BatchFiles(landing, ["passwd.geojson", "x/roads.gdb", "x/roads.shp", "y/roads.shp"])
    for key, uri in [
        ("passwd.geojson", "passwd.geojson"),
        ("x/roads.gdb", "x/roads.gdb/2.gdbtable"),
        ("y/roads.shp", "y/"),
    ]:
        with pytest.raises(Rejected) as rejection:
            files.resolve(key)
        (problem,) = rejection.value.problems
        assert (problem.code, problem.where) == ("unreadable_file", f"s3://landing-zone/{uri}")
        assert "symbolic link" in problem.message
    assert [info.key for info in files.resolve("x/roads.shp")] == ["x/roads.shp"]
    assert "x/roads.dbf" in files.beside("x/roads.shp")
    with pytest.raises(Rejected, match="symbolic link"):
        files.require("x/roads.dbf")


def test_thousands_of_files_and_of_wrong_names_cost_little(landing: LandingZone) -> None:
    folder = landing.store.root / "x"
    folder.mkdir()
    for n in range(4000):
        (folder / f"tile_{n:05}.geojson").touch()
    right = [f"x/tile_{n:05}.geojson" for n in range(4000)]
    wrong = [f"x/tiel_{n:05}.geojson" for n in range(4000)]
    started = time.process_time()
    files = BatchFiles(landing, [*right, *wrong])
    assert all(files.resolve(key) and files.beside(key) == [key] for key in right)
    assert not any(files.resolve(key) for key in wrong)
    told = [files.missing(key, "files[0].path") for key in wrong]
    assert "x/tile_00003.geojson" in told[3].message
    assert time.process_time() - started < 2
