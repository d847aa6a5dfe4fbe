"""Lake files over HTTP: whole, in ranges, from a folder and from MinIO, by urllib and by readers that nobody here wrote."""

import email
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from libs.storage import DataLake
from services.catalog.features import Features, Question
from services.catalog.local import LocalFiles
from services.catalog.ranges import Unsatisfiable, parse
from tests.buckets import Buckets
from tests.integration.catalog.conftest import Served, served

pytestmark = pytest.mark.integration

PATH = "/datasets/riverton.town.buildings/1/data.parquet"


@pytest.fixture
def content(home: Path) -> bytes:
    return (home / "data-lake/riverton.town.buildings/v1/data.parquet").read_bytes()


def test_a_whole_file_is_what_the_ledger_recorded(catalog: Served, content: bytes) -> None:
    answer = catalog.get(PATH)
    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert "immutable" in answer.headers["cache-control"]
    head = catalog.get(PATH, "HEAD")
    assert (head.body, head.headers["content-length"], head.headers["accept-ranges"]) == (b"", str(len(content)), "bytes")


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [("bytes=0-3", 0, 4), ("bytes=-8", -8, None), ("bytes=100-", 100, None), ("bytes=4-999999999", 4, None)],
)
def test_a_range_is_sent_alone(catalog: Served, content: bytes, header: str, start: int, end: int | None) -> None:
    answer = catalog.get(PATH, Range=header)
    assert (answer.status, answer.body) == (206, content[start:end])
    first = start % len(content)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(content)}"
    assert catalog.get(PATH, "HEAD", Range=header).headers["content-length"] == str(len(answer.body))


def test_several_ranges_come_as_parts(catalog: Served, content: bytes) -> None:
    answer = catalog.get(PATH, Range="bytes=0-3, 10-19,-4")
    assert answer.status == 206
    assert answer.headers["content-length"] == str(len(answer.body))
    message = email.message_from_bytes(f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode() + answer.body)
    parts = [(part["Content-Range"].split()[1].split("/")[0], part.get_payload(decode=True)) for part in message.get_payload()]
    size = len(content)
    assert parts == [("0-3", content[:4]), ("10-19", content[10:20]), (f"{size - 4}-{size - 1}", content[-4:])]


@pytest.mark.parametrize("header", ["bytes=999999999-", "bytes=" + ",".join(["0-0"] * 65), "bytes=0-,0-,0-", "bytes=-0"])
def test_ranges_that_give_nothing_or_too_much_are_refused(catalog: Served, content: bytes, header: str) -> None:
    answer = catalog.get(PATH, Range=header)
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(content)}")


@pytest.mark.parametrize("header", ["lines=1-2", "bytes=a-b", "bytes=5-2", "bytes=-", "bytes", "bytes=1-2-3"])
def test_a_header_that_is_not_understood_gives_the_whole_file(header: str) -> None:
    assert parse(header, 100) is None


def test_numbers_of_any_length_are_understood() -> None:
    assert parse("bytes=0-" + "9" * 5_000, 100) == [(0, 100)]
    with pytest.raises(Unsatisfiable):
        parse("bytes=" + "9" * 5_000 + "-", 100)


def test_what_the_reader_has_is_not_sent_again(catalog: Served) -> None:
    tag = catalog.get(PATH, "HEAD").headers["etag"]
    assert catalog.get(PATH, If_None_Match=f'"other", {tag}').status == 304
    assert catalog.get(PATH, Range="bytes=0-3", If_Range=tag).status == 206
    assert catalog.get(PATH, Range="bytes=0-3", If_Range='"other"').status == 200


def test_a_file_that_was_changed_is_not_given_as_the_recorded_one(catalog: Served, tmp_path: Path, content: bytes) -> None:
    from libs.storage import FolderStore

    lake = DataLake(FolderStore(tmp_path / "lake", "data-lake"))
    lake.store.put("riverton.town.buildings/v1/data.parquet", content[:-1])
    with served(replace(catalog.state, lake=lake)) as damaged:
        answer = damaged.get(PATH)
        assert answer.status == 409
        assert "spatial-etl verify riverton.town.buildings@1" in answer.text
        assert damaged.get("/datasets/riverton.trees/1/data.parquet").status == 409


def test_minio_gives_the_same_ranges_and_features(catalog: Served, buckets: Buckets, content: bytes, tmp_path: Path) -> None:
    lake = DataLake(buckets.store(buckets.new()))
    lake.store.put("riverton.town.buildings/v1/data.parquet", content)
    files = LocalFiles(lake, tmp_path)
    features = Features(files)
    with served(replace(catalog.state, lake=lake, files=files, features=features)) as remote:
        assert remote.get(PATH).body == content
        assert remote.get(PATH, Range="bytes=7-5000").body == content[7:5001]
        asset = catalog.state.ledger.asset("riverton.town.buildings")
        page = features.page(asset, Question(limit=1_000))
        assert page == catalog.state.features.page(asset, Question(limit=1_000))
        assert len(page.features) == 144
    features.close()


def test_copies_that_are_too_many_make_room(catalog: Served, tmp_path: Path) -> None:
    files = LocalFiles(catalog.state.lake, tmp_path, kept=30_000)
    assets = [catalog.state.ledger.asset(name) for name in ("riverton.town.buildings", "riverton.trees", "riverton.town.roads")]
    for asset in assets:
        assert files.path(asset.data[0]).stat().st_size == asset.data[0].bytes
    assert {path.stem for path in tmp_path.iterdir()} == {asset.data[0].sha256 for asset in assets[1:]}


def test_polars_reads_a_file_over_http(catalog: Served) -> None:
    found = pl.scan_parquet(catalog.url + PATH).select("house_id", "use").filter(pl.col("use") == "housing").collect()
    assert 0 < len(found) < 144


def test_gdal_reads_features_and_pages_of_them(catalog: Served) -> None:
    """In a process of its own: no other one loads GDAL."""
    code = """
import sys, pyogrio
url = sys.argv[1]
print(sorted(name for name, _ in pyogrio.list_layers(f"OAPIF:{url}/ogc")))
info = pyogrio.read_info(f"OAPIF:{url}/ogc", layer="riverton.town.buildings", OGR_OAPIF_PAGE_SIZE="50", PAGE_SIZE="50")
print(info["features"])
meta, fids, geometry, fields = pyogrio.raw.read(f"OAPIF:{url}/ogc", layer="riverton.town.buildings", PAGE_SIZE="50")
print(len(geometry), dict(zip(meta["fields"], fields))["house_id"].min())
box = (10.10, 53.54, 10.107, 53.56)
meta, fids, geometry, fields = pyogrio.raw.read(f"OAPIF:{url}/ogc", layer="riverton.town.buildings", bbox=box)
print(len(geometry))
meta, fids, geometry, fields = pyogrio.raw.read(f"/vsicurl/{url}/ogc/collections/riverton.parks/items")
print(len(geometry))
"""
    done = subprocess.run([sys.executable, "-c", code, catalog.url], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    layers, count, read, within, parks = done.stdout.splitlines()
    assert layers.count("riverton") == 3
    assert (count, read, parks) == ("144", "144 9000000000", "3")
    assert 0 < int(within) < 144
