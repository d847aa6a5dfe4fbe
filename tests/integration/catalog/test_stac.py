"""STAC API 1.0 over the versions, as its requirements have it."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.catalog.conftest import Served

pytestmark = pytest.mark.integration

PARKS = "/stac/collections/riverton.parks"
RIVERTON = {"riverton.parks@1", "riverton.parks@2", "riverton.town.buildings@1", "riverton.town.roads@1"}


def found(page: Any) -> list[str]:
    return [item["id"] for item in page["features"]]


def test_the_entry_is_a_catalog_that_leads_to_everything(catalog: Served) -> None:
    entry = catalog.get("/stac").json
    assert (entry["type"], entry["stac_version"]) == ("Catalog", "1.1.0")
    assert {"https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"} <= {*entry["conformsTo"]}
    assert entry["conformsTo"] == catalog.get("/stac/conformance").json["conformsTo"]
    for link in entry["links"]:
        path = link["href"].removeprefix(catalog.url)
        answer = catalog.post(path, "{}") if link.get("method") == "POST" else catalog.get(path)
        assert answer.status == 200, link
        assert answer.headers["content-type"].startswith(link["type"]), link
    described = catalog.get("/stac/api").json
    assert {"/search", "/collections/{collectionId}/items/{itemId}"} <= described["paths"].keys()


def test_a_dataset_is_a_collection_and_its_versions_are_items(catalog: Served) -> None:
    collection = catalog.get(PARKS).json
    assert collection["type"] == "Collection"
    (interval,) = collection["extent"]["temporal"]["interval"]
    items = catalog.get(f"{PARKS}/items").json["features"]
    assert [item["id"] for item in items] == ["riverton.parks@2", "riverton.parks@1"]
    assert interval == sorted(item["properties"]["datetime"] for item in items)
    for item in items:
        (own,) = [link["href"] for link in item["links"] if link["rel"] == "self"]
        assert catalog.get(own.removeprefix(catalog.url)).json == item
    assert [link["href"] for link in items[0]["links"] if link["rel"] == "predecessor-version"] == [
        f"{catalog.url}{PARKS}/items/riverton.parks@1"
    ]
    assert items[0]["properties"]["proj:code"] == "EPSG:25832"
    assert items[0]["properties"]["table:row_count"] == 3
    assert items[0]["bbox"] == pytest.approx(items[1]["bbox"], abs=1e-4)


def test_the_assets_are_the_files_with_their_hashes(catalog: Served) -> None:
    item = catalog.get(f"{PARKS}/items/riverton.parks@1").json
    asset = item["assets"]["data.parquet"]
    answer = catalog.get(asset["href"].removeprefix(catalog.url))
    assert answer.headers["content-type"] == asset["type"]
    assert len(answer.body) == asset["file:size"]
    assert asset["file:checksum"] == "1220" + hashlib.sha256(answer.body).hexdigest()
    thumbnail = item["assets"]["thumbnail"]
    assert catalog.get(thumbnail["href"].removeprefix(catalog.url)).headers["content-type"].startswith(thumbnail["type"])


def test_a_raster_says_its_grid_and_bands(catalog: Served) -> None:
    item = catalog.get("/stac/collections/city.relief/items/city.relief@1").json
    assert item["properties"]["proj:shape"] == [1, 2]
    assert item["properties"]["proj:transform"] == [10, 0, 565_000, 0, -10, 5_930_010]
    (asset,) = item["assets"].values()
    assert asset["type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    (band,) = asset["bands"]
    assert (band["data_type"], band["nodata"], band["statistics"]["maximum"]) == ("float32", -9999, 12.5)
    assert catalog.get(asset["href"].removeprefix(catalog.url)).headers["content-type"] == asset["type"]


def test_a_table_has_no_place(catalog: Served) -> None:
    (item,) = catalog.get("/stac/collections/riverton.trees/items").json["features"]
    assert item["geometry"] is None
    assert "bbox" not in item


@pytest.mark.parametrize("is_posted", [False, True])
@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ({"collections": ["riverton.parks"]}, {"riverton.parks@1", "riverton.parks@2"}),
        ({"ids": ["riverton.parks@1", "none@1"]}, {"riverton.parks@1"}),
        ({"bbox": [10.1, 53.54, 10.12, 53.56], "collections": sorted({each.split("@")[0] for each in RIVERTON})}, RIVERTON),
        ({"bbox": [-170, -60, -160, -50]}, set()),
        ({"datetime": "../2020-01-01T00:00:00Z"}, set()),
        ({"datetime": "2020-01-01T00:00:00+02:00/..", "ids": ["riverton.trees@1"]}, {"riverton.trees@1"}),
        ({"intersects": {"type": "Point", "coordinates": [10.107, 53.552]}, "ids": sorted(RIVERTON)}, RIVERTON),
    ],
)
def test_versions_are_found(catalog: Served, question: dict[str, Any], answer: set[str], *, is_posted: bool) -> None:
    if is_posted:
        page = catalog.post("/stac/search", json.dumps(question | {"limit": 100})).json
    else:
        texts = {
            name: value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict) else ",".join(map(str, value))
            for name, value in question.items()
        }
        page = catalog.get("/stac/search?limit=100&" + "&".join(f"{name}={quote(text)}" for name, text in texts.items())).json
    assert {*found(page)} == answer
    assert page["numberMatched"] == page["numberReturned"] == len(answer)


def test_pages_hold_each_version_once(catalog: Served) -> None:
    every = found(catalog.get("/stac/search?limit=1000").json)
    assert len(every) == len({*every}) >= 8
    seen: list[str] = []
    path: str | None = "/stac/search?limit=3&bbox=-180,-90,180,90"
    while path:
        page = catalog.get(path).json
        seen += found(page)
        path = next((link["href"].removeprefix(catalog.url) for link in page["links"] if link["rel"] == "next"), None)
    assert seen == [each for each in every if each != "riverton.trees@1"]  # it has no place
    body: dict[str, Any] | None = {"limit": 3}
    seen = []
    while body:
        page = catalog.post("/stac/search", json.dumps(body)).json
        seen += found(page)
        body = next((link["body"] for link in page["links"] if link["rel"] == "next"), None)
    assert seen == every


def test_pages_of_collections_hold_each_dataset_once(catalog: Served) -> None:
    seen: list[str] = []
    path: str | None = "/stac/collections?limit=2"
    while path:
        page = catalog.get(path).json
        seen += [each["id"] for each in page["collections"]]
        path = next((link["href"].removeprefix(catalog.url) for link in page["links"] if link["rel"] == "next"), None)
    assert seen == sorted(entry.dataset_id for entry in catalog.state.index.entries())


@pytest.mark.parametrize(
    "path",
    [
        "/stac/search?limit=0", "/stac/search?limit=x", "/stac/search?bbox=1,2,3", "/stac/search?unknown=1",
        "/stac/search?datetime=yesterday",
        "/stac/search?bbox=0,0,1,1&intersects=%7B%7D", "/stac/search?intersects=%7B%7D", "/stac/search?token=none",
        "/stac/search?intersects=%7B%22type%22:%22Polygon%22,%22coordinates%22:[[[0,0],[1,1]]]%7D", "/stac/collections?limit=0",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(catalog: Served, path: str) -> None:
    answer = catalog.get(path)
    assert (answer.status, answer.json["code"]) == (400, "400"), answer.text


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "no",
        '{"limit": true}',
        '{"ids": "a"}',
        '{"bbox": {}}',
        '{"intersects": "x"}',
        '{"unknown": 1}',
        '{"datetime": 5}',
        "[" * 100_000,
    ],
)
def test_a_body_that_is_not_understood_is_refused(catalog: Served, body: str) -> None:
    assert catalog.post("/stac/search", body).status == 400


def test_a_body_that_is_too_large_is_not_read_to_its_end(catalog: Served) -> None:
    assert catalog.post("/stac/search", '{"ids": ["' + "a" * 2_000_000 + '"]}').status == 413


@pytest.mark.parametrize(
    "path",
    [
        "/stac/collections/none",
        f"{PARKS}/items/riverton.parks@9",
        f"{PARKS}/items/riverton.trees@1",
        f"{PARKS}/items/x",
        "/stac/none",
    ],
)
def test_what_is_not_there_is_refused(catalog: Served, path: str) -> None:
    assert catalog.get(path).status == 404


def test_hostile_names_are_data(catalog: Served, home: Path) -> None:
    (name,) = [entry.dataset_id for entry in catalog.state.index.entries() if entry.dataset_id.endswith("hostile")]
    answer = catalog.get(f"/stac/collections/{name}/items")
    assert any("<script>" in column["name"] for column in answer.json["features"][0]["properties"]["table:columns"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(str(home), answer.text)
