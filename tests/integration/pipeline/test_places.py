"""Landing zone and lake lie where the settings say, at different places too, and may be moved or renamed."""

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.pipeline.identity import relocate
from libs.pipeline.replay import replay
from libs.pipeline.verify import Finding, verify

pytestmark = pytest.mark.integration


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system than the temporary folder of tests."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def require_all_works(platform: Any) -> None:
    assert {each.finding for each in verify(platform.stack)} == {Finding.INTACT}
    ledger = platform.stack.ledger
    for asset in ledger.assets():
        assert replay(platform.stack, asset, ledger.lineage(asset.dataset_id, asset.version)).identical


def cli(settings: dict[str, str], *arguments: str) -> str:
    names = ("SPATIAL_ETL_", "MINIO_", "MONGO_", "POSTGRES_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(names)} | settings
    command = [sys.executable, "-c", "from services.cli.main import main; main()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_each_on_a_file_system_of_its_own(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path, elsewhere: Path
) -> None:
    """The ways that save a copy, hard links, do not lead from one to the other."""
    if elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    places = {"spatial_etl_landing": str(elsewhere / "incoming"), "spatial_etl_lake": str(tmp_path / "the lake")}
    for name, each in (("a", places), ("b", places | {"spatial_etl_landing": places["spatial_etl_lake"] + "-l",
                                                     "spatial_etl_lake": str(elsewhere / "lake")})):  # fmt: skip
        platform = open_platform(spatial_etl_home=tmp_path / name, **each)
        report = platform.ingest("b1", platform.entry(platform.put("in/roads.geojson", geojson())))
        assert report.datasets[0].files[0].uri == "s3://data-lake/roads/v1/data.parquet"
        require_all_works(platform)
        lake = Path(each["spatial_etl_lake"])
        assert sorted(path.name for path in (lake / "roads/v1").iterdir()) == ["_version.json", "data.parquet"]
        assert not (tmp_path / name / "landing-zone").exists()
        environment = {"SPATIAL_ETL_HOME": str(tmp_path / name), **{key.upper(): value for key, value in each.items()}}
        shown = cli(environment, "show", "roads")
        assert f"{lake}/roads/v1/data.parquet" in shown
        assert all(value in cli(environment, "config") for value in each.values())


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_lake_and_a_landing_zone_that_were_renamed(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "folder":
        platform = open_platform()
        moved: dict[str, Any] = {
            "spatial_etl_home": tmp_path / "moved",
            "minio_lake_bucket": "lake-2",
            "minio_landing_bucket": "l-2",
        }
    else:
        buckets = request.getfixturevalue("buckets")
        server = {name.lower(): value for name, value in buckets.environment.items()}
        names = {"minio_landing_bucket": buckets.new(), "minio_lake_bucket": buckets.new()}
        platform = open_platform(**server, **names)
        moved = {**server, "minio_landing_bucket": buckets.new(), "minio_lake_bucket": buckets.new()}
    entry = platform.entry(platform.put("in/roads.csv", "x,y,n\n1,2,a\nx,3,b\n"), options={"x": "x", "y": "y"}, crs="EPSG:4326")
    platform.ingest("b1", entry, on_bad_value="set_aside", on_bad_geometry="set_aside", max_set_aside=1.0)
    before = platform.stack.ledger.asset("roads")
    assert len(before.files) == 2, "the rows that were set aside name their source by its path"
    if kind == "folder":
        (tmp_path / "home").rename(tmp_path / "moved")
        (tmp_path / "moved" / "data-lake").rename(tmp_path / "moved" / "lake-2")
        (tmp_path / "moved" / "landing-zone").rename(tmp_path / "moved" / "l-2")
    else:
        for setting, name in names.items():
            for page in buckets.client.get_paginator("list_objects_v2").paginate(Bucket=name):
                for each in page.get("Contents", ()):
                    source = {"Bucket": name, "Key": each["Key"]}
                    buckets.client.copy_object(Bucket=moved[setting], Key=each["Key"], CopySource=source)
    after = open_platform(**moved)
    assert after.stack.ledger.asset("roads") == before
    require_all_works(after)
    stack = after.stack
    done = relocate(stack.settings, stack.lake, stack.ledger)
    assert done.lake is not None
    assert done.lake[1] == stack.lake.store.place
    assert (done.ledger is not None) == (kind == "folder")
    again = relocate(stack.settings, stack.lake, stack.ledger)
    assert (again.lake, again.ledger) == (None, None)
    report = after.ingest(
        "b2", after.entry(after.put("in/roads.csv", "x,y,n\n1,2,a\n"), options={"x": "x", "y": "y"}, crs="EPSG:4326")
    )
    assert report.datasets[0].files[0].uri == f"s3://{moved['minio_lake_bucket']}/roads/v2/data.parquet"
    assert {each.finding for each in verify(stack)} == {Finding.INTACT}


def test_a_folder_for_deliveries_and_a_lake_on_a_server(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path, buckets: Any
) -> None:
    server = {name.lower(): value for name, value in buckets.environment.items()}
    lake = buckets.new()
    platform = open_platform(**server, spatial_etl_landing=str(tmp_path / "share"), spatial_etl_lake=f"s3://{lake}")
    report = platform.ingest("b1", platform.entry(platform.put("in/roads.geojson", geojson())))
    assert report.datasets[0].files[0].uri == f"s3://{lake}/roads/v1/data.parquet"
    assert (tmp_path / "share" / "reports" / "b1.json").is_file()
    require_all_works(platform)


def test_the_old_records_of_a_lake_that_was_renamed(open_platform: Callable[..., Any], tmp_path: Path) -> None:
    """Those of earlier releases hold the whole URI, with the bucket that it was then."""
    with tarfile.open(Path(__file__).parents[2] / "data" / "old_ledger" / "home.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    home = tmp_path / "old-home"
    (home / "data-lake").rename(home / "lake-2")
    platform = open_platform(spatial_etl_home=home, minio_lake_bucket="lake-2")
    found = list(verify(platform.stack))
    assert [each for each in found if each.finding.damages] == []
    assert all(each.uri.startswith("s3://lake-2/") for each in found if each.uri)
    assert Finding.INTACT in {each.finding for each in found}
    environment = {"SPATIAL_ETL_HOME": str(home), "MINIO_LAKE_BUCKET": "lake-2"}
    assert "lake-2/roads/v1/data.parquet" in cli(environment, "show", "roads")
    assert '"s3://lake-2/roads/v1/data.parquet"' in cli(environment, "show", "roads", "--json")
