"""What a browser gets."""

import re
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from libs.ledger import Ledger, SqliteStore
from services.catalog.index import Index, Search
from tests.integration.catalog.conftest import Served

pytestmark = pytest.mark.integration

PAGES = [
    "/",
    "/activity",
    "/datasets/riverton.parks",
    "/datasets/riverton.parks/1",
    "/datasets/riverton.trees",
    "/datasets/city.relief",
    "/tables/riverton.town.buildings/1?where=storeys+%3E+1&sort=use&order=down",
    "/tables/riverton.trees/1",
    "/batches/cut-off",
]


def hostile(catalog: Served) -> str:
    (entry,) = [entry for entry in catalog.state.index.entries() if entry.dataset_id.endswith("hostile")]
    return entry.dataset_id


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing_but_modules_of_the_catalog_and_fetches_nothing_from_elsewhere(catalog: Served, path: str) -> None:
    answer = catalog.get(path)
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    modules = re.findall(r'<script type="module" src="(/static/\w+\.js)"></script>', answer.text)
    assert answer.text.count("<script") == len(modules)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", answer.text, re.IGNORECASE)
    for module in modules:
        assert catalog.get(module).headers["content-type"].startswith("text/javascript")
    assert all(link.startswith(("/", "#")) for link in re.findall(r'(?:href|src|action)="([^"]*)"', answer.text))


@pytest.mark.parametrize("path", PAGES)
def test_the_links_of_a_page_lead_somewhere(catalog: Served, path: str) -> None:
    for link in {*re.findall(r'(?:href|src)="(/[^"]*)"', catalog.get(path).text)}:
        assert catalog.get(link.replace("&amp;", "&"), "HEAD").status == 200, link


def test_what_others_wrote_is_shown_inert(catalog: Served) -> None:
    name = hostile(catalog)
    pages = [
        catalog.get(path).text
        for path in ("/", "/activity", f"/datasets/{name}", f"/batches/{catalog.state.ledger.asset(name).batch_id}")
    ]
    for page in pages:
        assert "<script>" not in page
        assert "\u202e" not in page
        assert "\x1b" not in page
        assert "<i>Evil" not in page
        assert "<b>tester" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e" in pages[2]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=BUILD", ["riverton.town.buildings"]),
        ("q=heritage+town", ["riverton.town.buildings"]),
        ("kind=table", ["riverton.trees"]),
        ("project=Riverton&sort=features&kind=vector", ["riverton.town.buildings", "riverton.town.roads", "riverton.parks"]),
        ("uploader=nobody", []),
    ],
)
def test_datasets_are_found_and_sorted(catalog: Served, query: str, found: list[str]) -> None:
    assert re.findall(r'<th scope="row"><a href="/datasets/([^"]+)"', catalog.get(f"/?{query}").text) == found


def test_an_older_version_says_which_one_is_current(catalog: Served) -> None:
    assert "This is the current version." in catalog.get("/datasets/riverton.parks").text
    page = catalog.get("/datasets/riverton.parks/1").text
    assert "This is not the current version" in page
    assert 'href="/datasets/riverton.parks/2"' in page
    assert f"{catalog.url}/ogc<" in catalog.get("/datasets/riverton.parks").text
    assert f"{catalog.url}/ogc<" not in page  # there, features are those of the current version


def test_a_rejection_reads_as_a_letter(catalog: Served) -> None:
    page = catalog.get("/batches/cut-off").text
    assert "districts.shp has 429 bytes where at least 644 are expected" in page
    assert "Upload the file again" in page
    assert 'href="/batches/cut-off"' in catalog.get("/activity").text


def test_the_feed_tells_what_became_of_deliveries(catalog: Served) -> None:
    answer = catalog.get("/feed")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ET.fromstring(answer.body)
    entries = {entry.findtext(f"{atom}title"): entry for entry in feed.iter(f"{atom}entry")}
    assert "at least 644 are expected" in str(entries["cut-off: rejected"].findtext(f"{atom}summary"))
    assert len({entry.findtext(f"{atom}id") for entry in entries.values()}) == len(entries) >= 5
    times = [entry.findtext(f"{atom}updated") for entry in entries.values()]
    assert feed.findtext(f"{atom}updated") == max(map(str, times))
    assert "<b>tester" not in answer.text
    for entry in entries.values():
        (link,) = entry.iter(f"{atom}link")
        assert catalog.get(link.attrib["href"].removeprefix(catalog.url)).status == 200


def test_a_page_speaks_german_to_those_who_ask_for_it(catalog: Served) -> None:
    page = catalog.get("/", Accept_Language="fr, de-AT;q=0.8, en;q=0.5")
    assert '<html lang="de">' in page.text
    assert "Datensätze" in page.text
    assert page.headers["content-language"] == "de"


def test_the_picture_is_an_inert_drawing(catalog: Served) -> None:
    answer = catalog.get("/pictures/riverton.parks/2")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.body.startswith(b"<svg")
    assert catalog.get("/pictures/riverton.trees/1").status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/?page=0", 400),
        ("/?page=99999999999", 400),
        ("/?unknown=1", 400),
        ("/?q=a&q=b", 400),
        ("/?sort=<script>", 400),
        ("/datasets/none", 404),
        ("/datasets/riverton.parks/99", 404),
        ("/datasets/riverton.parks/1/nothing.parquet", 404),
        ("/datasets/riverton.parks/1/..%2f..%2f..%2fledger.sqlite", 404),
        ("/datasets/..%2f..%2fetc/1/passwd", 404),
        ("/datasets/riverton.parks%00/1", 404),
        ("/static/../app.py", 404),
        ("/static/%2e%2e/app.py", 404),
        ("/batches/%1b[31m", 404),
        ("/datasets/riverton.parks/" + "9" * 5_000, 404),
    ],
)
def test_what_is_not_there_is_refused_with_a_reason(catalog: Served, path: str, status: int) -> None:
    answer = catalog.get(path)
    assert answer.status == status, answer.text
    assert "<script" not in answer.text
    assert "\x1b" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_another_name_for_this_machine_is_refused(catalog: Served) -> None:
    assert catalog.get("/", Host="evil.example").status == 400


def test_nothing_can_be_changed(catalog: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert catalog.get("/datasets/riverton.parks", method).status == 405


def test_thousands_of_datasets_are_listed_at_once(catalog: Served, tmp_path: Path) -> None:
    """The first look reads the records, every further one only what is new."""
    made = catalog.state.ledger.asset("riverton.parks")
    with_many = Ledger(SqliteStore(tmp_path / "ledger.sqlite"), lease_seconds=60)
    copies = (made.model_copy(update={"dataset_id": f"d{number:04}", "version": 1}) for number in range(5_000))
    with_many.store.insert_missing(("assets", copy.id, copy.to_document()) for copy in copies)
    index = Index(with_many)
    assert len(index.entries()) == 5_000
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        assert len(Search(words="d1", sort="newest").of(index.entries())) == 1_000
        seconds.append(time.perf_counter() - begun)
    with_many.store.insert_missing(
        [("assets", "d0000@2", made.model_copy(update={"dataset_id": "d0000", "version": 2}).to_document())]
    )
    assert index.entries()[0].version == 2
    with_many.store.close()
    assert min(seconds) < 0.3, seconds
