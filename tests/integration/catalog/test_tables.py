"""The rows of a version, and its files in other formats, which GDAL reads in a process of its own."""

import io
import json
import subprocess
import sys
import zipfile
from html import unescape
from pathlib import Path
from re import findall
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.catalog.conftest import Served

pytestmark = pytest.mark.integration

BUILDINGS = "riverton.town.buildings"
TABLE = f"/tables/{BUILDINGS}/1"
SCHOOLS = "use = 'school' AND storeys >= 2"
READ = """
import sys, pyogrio
meta, _, shapes, values = pyogrio.raw.read(sys.argv[1])
print(len(values[0]), sorted({*dict(zip(meta["fields"], values))["use"].tolist()}))
"""


def rows(text: str) -> list[list[str]]:
    return [
        [unescape(cell) for cell in findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in findall(r"<tr>(.*?)</tr>", text.partition("<tbody>")[2])
    ]


def properties(catalog: Served) -> list[dict[str, Any]]:
    features = catalog.get(f"/ogc/collections/{BUILDINGS}/items?limit=1000").json["features"]
    return [{"id": feature["id"]} | feature["properties"] for feature in features]


def test_pages_hold_each_row_once(catalog: Served) -> None:
    seen: list[list[str]] = []
    path: str | None = TABLE
    while path:
        page = catalog.get(path).text
        seen += rows(page)
        path = next((unescape(link) for link in findall(r'rel="next" href="([^"]*)"', page)), None)
    expected = properties(catalog)
    assert [row[0] for row in seen] == [str(number) for number in range(144)]
    assert [row[1:4] for row in seen] == [[str(each[name]) for name in ("house_id", "use", "storeys")] for each in expected]


@pytest.mark.parametrize("order", ["up", "down"])
def test_rows_are_sorted_and_filtered(catalog: Served, order: str) -> None:
    page = catalog.get(f"{TABLE}?where={quote(SCHOOLS)}&sort=height_m&order={order}").text
    schools = [each for each in properties(catalog) if each["use"] == "school" and each["storeys"] >= 2]
    heights = sorted((each["height_m"] for each in schools), reverse=order == "down")
    assert [float(row[4]) for row in rows(page)] == heights
    assert f"{len(schools)} of 144 rows" in page


def test_a_condition_that_finds_nothing_is_no_error(catalog: Served) -> None:
    page = catalog.get(f"{TABLE}?where={quote('storeys > 99')}")
    assert (page.status, rows(page.text)) == (200, [])


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".geojson", ".shp.zip", ".csv", ".kml"])
def test_what_is_filtered_can_be_downloaded(catalog: Served, tmp_path: Path, suffix: str) -> None:
    name = BUILDINGS + suffix
    answer = catalog.get(f"/downloads/{BUILDINGS}/1/{name}?where={quote(SCHOOLS)}&lineage=yes")
    assert answer.status == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        archive.extractall(tmp_path)
    told = json.loads((tmp_path / f"{name}.lineage.json").read_text())
    assert told["selection"]["where"] == SCHOOLS
    assert bool(json.loads(answer.headers["x-warnings"])) == bool(told["exported"]["warnings"])
    path = f"/vsizip/{tmp_path / name}" if suffix == ".shp.zip" else tmp_path / name
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.split(maxsplit=1) == [str(told["exported"]["features"]), "['school']\n"], done.stderr
    assert not [*catalog.state.folder.glob("tmp*")]


def test_a_whole_version_is_what_the_lake_has(catalog: Served, home: Path) -> None:
    answer = catalog.get("/downloads/riverton.trees/1/riverton.trees.parquet")
    assert answer.body == (home / "data-lake/riverton.trees/v1/data.parquet").read_bytes()
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''riverton.trees.parquet"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"{TABLE}?where={quote('nothing = 1')}", 400, "nothing"),
        (f"{TABLE}?where={quote('use = ')}", 400, "It ends where a value"),
        (f"{TABLE}?where={quote('use = 1); DROP TABLE x')}", 400, "condition"),
        (f"{TABLE}?sort=none", 400, "no column"),
        (f"{TABLE}?order=sideways", 400, "up or down"),
        (f"{TABLE}?page=0", 400, "page"),
        ("/tables/city.relief/1", 404, "has no rows"),
        (f"/downloads/{BUILDINGS}/1/{BUILDINGS}.exe", 404, ".gpkg"),
        (f"/downloads/{BUILDINGS}/1/..%2fledger.gpkg", 404, ""),
        (f"/downloads/{BUILDINGS}/1/{BUILDINGS}.gpkg?where={quote('x')}", 400, "condition"),
        (f"/downloads/{BUILDINGS}/1/{BUILDINGS}.gpkg?where={quote('nothing = 1')}", 400, "nothing"),
        ("/downloads/riverton.trees/1/riverton.trees.fgb", 400, "the format holds maps only"),
    ],
)
def test_what_cannot_be_had_is_refused_with_a_reason(catalog: Served, path: str, status: int, said: str) -> None:
    answer = catalog.get(path)
    assert (answer.status, said in unescape(answer.text)) == (status, True), answer.text


def test_hostile_rows_are_shown_inert(catalog: Served) -> None:
    (name,) = [entry.dataset_id for entry in catalog.state.index.entries() if entry.dataset_id.endswith("hostile")]
    page = catalog.get(f"/tables/{name}/1").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\x1b[31m" in page
    assert "<script>" not in page
