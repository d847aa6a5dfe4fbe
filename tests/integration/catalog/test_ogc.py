"""OGC API - Features, Part 1, as its requirements have it."""

import json
import time
from urllib.parse import quote

import pytest
import shapely

from services.catalog.features import Question, extent
from tests.integration.catalog.conftest import Served

pytestmark = pytest.mark.integration

BUILDINGS = "/ogc/collections/riverton.town.buildings"
PARKS = "/ogc/collections/riverton.parks"


def test_the_landing_page_leads_to_everything(catalog: Served) -> None:
    links = {link["rel"]: link["href"].removeprefix(catalog.url) for link in catalog.get("/ogc").json["links"]}
    assert links.keys() >= {"self", "service-desc", "conformance", "data"}
    assert all(catalog.get(link).status == 200 for link in links.values())
    assert catalog.get("/ogc/api").json["openapi"].startswith("3.0.")
    assert any(each.endswith("/conf/geojson") for each in catalog.get("/ogc/conformance").json["conformsTo"])


def test_layers_on_the_earth_are_collections_and_tables_are_not(catalog: Served) -> None:
    collections = {each["id"]: each for each in catalog.get("/ogc/collections").json["collections"]}
    assert {"riverton.parks", "riverton.town.buildings", "riverton.town.roads"} <= collections.keys()
    assert "riverton.trees" not in collections
    assert collections["riverton.parks"] == catalog.get(PARKS).json
    west, south, east, north = collections["riverton.parks"]["extent"]["spatial"]["bbox"][0]
    assert 10 < west < east < 11
    assert 53 < south < north < 54


def test_pages_hold_each_feature_once(catalog: Served) -> None:
    path, seen = f"{BUILDINGS}/items?limit=50", []
    while path:
        answer = catalog.get(path)
        assert answer.headers["content-type"] == "application/geo+json"
        page = answer.json
        assert (page["numberMatched"], page["numberReturned"]) == (144, len(page["features"]))
        seen += [feature["id"] for feature in page["features"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        path = following[0].removeprefix(catalog.url) if following else None
    assert seen == list(range(144))


def test_positions_in_another_crs_become_longitudes_and_latitudes(catalog: Served) -> None:
    """Version 2 of the parks is in UTM; version 1 is not."""
    features = {each["properties"]["name"]: each["geometry"] for each in catalog.get(f"{PARKS}/items").json["features"]}
    first = catalog.state.features.page(catalog.state.ledger.asset("riverton.parks", 1), Question(limit=10)).features
    assert len(features) == len(first) == 3
    for text in first:
        before = json.loads(text)
        after = features[before["properties"]["name"]]
        if before["geometry"] is None:
            assert after is None
        else:
            pair = [shapely.from_geojson(json.dumps(each)) for each in (before["geometry"], after)]
            assert shapely.hausdorff_distance(*pair) < 1e-9


@pytest.mark.parametrize("collection", [BUILDINGS, PARKS])
def test_a_bounding_box_gives_what_touches_it(catalog: Served, collection: str) -> None:
    everything = catalog.get(f"{collection}/items?limit=1000").json["features"]
    shapes = {each["id"]: shapely.from_geojson(json.dumps(each["geometry"])) for each in everything if each["geometry"]}
    west, south, east, north = shapely.total_bounds([*shapes.values()])
    middle, centre = (west + east) / 2, (south + north) / 2
    for box in [(west, south, east, north), (west, south, middle, centre), (middle, south, east, north), (-10, -10, -9, -9)]:
        given = catalog.get(f"{collection}/items?limit=1000&bbox={','.join(map(str, box))}").json
        assert {each["id"] for each in given["features"]} == {
            number for number, shape in shapes.items() if shape.intersects(shapely.box(*box))
        }
        assert "numberMatched" not in given


def test_a_box_across_180_degrees_is_two_boxes(catalog: Served) -> None:
    assert catalog.get(f"{BUILDINGS}/items?bbox=170,-90,-170,90").json["features"] == []
    assert len(catalog.get(f"{BUILDINGS}/items?limit=1000&bbox=10,-90,-170,90").json["features"]) == 144


def test_filtered_pages_hold_each_feature_once(catalog: Served) -> None:
    query = "bbox=10.10,53.0,10.107,54.0&datetime=../2010-12-31"
    whole = [each["id"] for each in catalog.get(f"{BUILDINGS}/items?limit=1000&{query}").json["features"]]
    path, seen = f"{BUILDINGS}/items?limit=7&{query}", []
    while path:
        page = catalog.get(path).json
        seen += [feature["id"] for feature in page["features"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        path = following[0].removeprefix(catalog.url) if following else None
    assert seen == whole
    assert len(whole) > 7


def test_a_time_gives_what_happened_in_it(catalog: Served) -> None:
    built = [each["properties"]["built"] for each in catalog.get(f"{BUILDINGS}/items?limit=1000").json["features"]]
    for asked, matches in (
        ("1990-01-01T00:00:00Z/..", lambda day: day >= "1990-01-01"),
        ("../1990-01-01", lambda day: day <= "1990-01-01"),
        ("1980-01-01/1999-12-31", lambda day: "1980-01-01" <= day <= "1999-12-31"),
        (built[0], lambda day: day == built[0]),
    ):
        given = catalog.get(f"{BUILDINGS}/items?limit=1000&datetime={asked}").json["features"]
        assert [each["properties"]["built"] for each in given] == [day for day in built if day and matches(day)], asked


def test_one_feature_is_had_by_its_number(catalog: Served) -> None:
    assert (
        catalog.get(f"{BUILDINGS}/items/17").json["properties"]
        == (catalog.get(f"{BUILDINGS}/items?start=17&limit=1").json["features"][0]["properties"])
    )
    for number in ("144", "-1", "x", "9" * 5_000, "1.0"):
        assert catalog.get(f"{BUILDINGS}/items/{number}").status == 404


@pytest.mark.parametrize(
    "query",
    [
        "unknown=1", "limit=0", "limit=-1", "limit=x", "limit=1&limit=2", "start=-1", "bbox=1,2,3", "bbox=a,b,c,d",
        "bbox=nan,0,1,1", "bbox=0,0,200,10", "bbox=0,20,10,10", "datetime=yesterday", "datetime=2026-01-01T00:00:00",
        "datetime=2026-02-01/2026-01-01", "limit=" + "9" * 5_000,
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_by_name(catalog: Served, query: str) -> None:
    answer = catalog.get(f"{BUILDINGS}/items?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.json["description"]


def test_a_time_is_refused_where_there_is_no_column_of_times(catalog: Served) -> None:
    assert catalog.get("/ogc/collections/riverton.town.roads/items?datetime=2026-01-01").status == 400


@pytest.mark.parametrize("name", ["riverton.trees", "none", "..%2f..", quote("<script>")])
def test_what_is_no_collection_is_not_found(catalog: Served, name: str) -> None:
    answer = catalog.get(f"/ogc/collections/{name}/items")
    assert (answer.status, answer.json["code"]) == (404, "404")


def test_large_features_make_shorter_pages(catalog: Served) -> None:
    asset = catalog.state.ledger.asset("riverton.town.buildings")
    page = catalog.state.features.page(asset, Question(limit=100), largest=2_000)
    assert 1 < len(page.features) < 10
    assert page.following == len(page.features)


def test_hostile_names_and_values_are_data(catalog: Served) -> None:
    (name,) = [entry.dataset_id for entry in catalog.state.index.entries() if entry.dataset_id.endswith("hostile")]
    answer = catalog.get(f"/ogc/collections/{name}/items")
    (feature,) = answer.json["features"]
    assert any("<script>" in str(value) for value in feature["properties"].values())
    assert {name: feature["properties"][name] for name in ("File_Row_Number", "a", "A_1")} == {
        "File_Row_Number": 7,
        "a": 1,
        "A_1": 2,
    }
    assert feature["id"] == 0
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_extent_without_places_on_the_earth_is_none() -> None:
    assert extent(None, (0.0, 0.0, 1.0, 1.0)) is None
    assert extent("EPSG:25832", (1e30, 1e30, 1e31, 1e31)) is None


def test_a_page_of_the_town_takes_milliseconds(catalog: Served) -> None:
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        assert catalog.get(f"{BUILDINGS}/items?limit=1000").status == 200
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 0.3, seconds
