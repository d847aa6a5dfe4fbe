import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.models import FileType, Manifest, Problem, Rejected, landing_key, manifest_schema, parse_manifest, says_no_crs
from libs.models.manifest import MAX_FILES, MAX_MANIFEST_BYTES, MAX_PROBLEMS

LANDING = "landing-zone"

EXAMPLE: dict[str, Any] = {
    "batch_id": "unique_batch_identifier",
    "uploader": "user_or_system_id",
    "intent": "ingest_vector",
    "files": [{"path": "s3://landing-zone/batch_XYZ/input.geojson", "type": "vector", "format": "GeoJSON", "crs": "EPSG:4326"}],
    "metadata": {"project": "ALPHA", "description": "User supplied context"},
}


def parse(content: Any) -> Manifest:
    return parse_manifest(
        content if isinstance(content, bytes) else json.dumps(content).encode(), landing_bucket=LANDING
    ).require()


def problems(content: Any) -> list[Problem]:
    with pytest.raises(Rejected) as rejection:
        parse(content)
    return list(rejection.value.problems)


def with_file(**changes: Any) -> dict[str, Any]:
    return EXAMPLE | {"files": [EXAMPLE["files"][0] | changes]}


def test_the_shape_that_users_write_is_accepted() -> None:
    manifest = parse(EXAMPLE)
    assert manifest.batch_id == "unique_batch_identifier"
    assert manifest.files[0].type is FileType.VECTOR
    assert manifest.metadata == EXAMPLE["metadata"]
    assert parse(b"\xef\xbb\xbf" + json.dumps(EXAMPLE).encode()) == manifest


def test_ten_mistakes_are_ten_problems_in_one_pass() -> None:
    mistaken = {
        "batch_id": "not an id",
        "intent": "",
        "files": [
            {"path": "s3://elsewhere/a.geojson", "type": "vektor", "format": "GeoJSON", "csr": "EPSG:4326"},
            {"path": "s3://landing-zone/a.csv", "type": "tabular", "options": {"x": "lon"}},
            {"path": "s3://landing-zone/b.gpkg", "type": "vector", "format": "GPKG", "sha256": "abc"},
        ],
        "metadata": [],
        "batch": 1,
    }
    found = problems(mistaken)
    assert [(problem.code, problem.where) for problem in found] == [
        ("unknown_key", "batch"),
        ("bad_identifier", "batch_id"),
        ("missing_key", "uploader"),
        ("empty", "intent"),
        ("unknown_key", "files[0].csr"),
        ("bad_path", "files[0].path"),
        ("not_allowed", "files[0].type"),
        ("missing_key", "files[1].format"),
        ("bad_options", "files[1].options"),
        ("bad_sha256", "files[2].sha256"),
        ("wrong_type", "metadata"),
    ]
    assert all(problem.message.endswith(".") and problem.remedy.endswith(".") for problem in found)
    by_code = {problem.code: problem for problem in found}
    assert "'landing-zone'" in by_code["bad_path"].message
    assert "'vector', 'raster' or 'tabular'" in by_code["not_allowed"].message


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        ([], "wrong_type", "manifest"),
        ({"files": []}, "empty", "files"),
        (with_file(options={"x": "a", "y": "b", "wkt": "c"}), "bad_options", "files[0].options"),
        (with_file(options={"y": "b"}), "bad_options", "files[0].options"),
        (with_file(options={"delimiter": ";;"}), "too_long", "files[0].options.delimiter"),
        (with_file(options={"z": "b"}), "unknown_key", "files[0].options.z"),
        (with_file(path=""), "empty", "files[0].path"),
        (with_file(dataset_id="-x"), "bad_identifier", "files[0].dataset_id"),
        (with_file(crs=4326), "wrong_type", "files[0].crs"),
        (EXAMPLE | {"uploader": "u" * 257}, "too_long", "uploader"),
        (EXAMPLE | {"batch_id": "a\n"}, "bad_identifier", "batch_id"),
        (EXAMPLE | {"files": EXAMPLE["files"] * 2}, "duplicate_file", "files[1].path"),
        (EXAMPLE | {"files": {"path": "s3://landing-zone/a"}}, "wrong_type", "files"),
        (EXAMPLE | {"files": [None]}, "wrong_type", "files[0]"),
        (EXAMPLE | {"files": [{}] * (MAX_FILES + 1)}, "too_long", "files"),
    ],
)
def test_a_mistake_is_told_with_its_place(content: Any, code: str, where: str) -> None:
    assert (code, where) in [(problem.code, problem.where) for problem in problems(content)]


def test_one_file_may_be_listed_once_for_each_layer() -> None:
    file = EXAMPLE["files"][0]
    assert len(parse(EXAMPLE | {"files": [file | {"layer": "roads"}, file | {"layer": "rivers"}]}).files) == 2


def test_problems_stand_in_reading_order_with_files_counted_as_numbers() -> None:
    found = problems(EXAMPLE | {"files": [EXAMPLE["files"][0] | {"path": "x"}] * 12, "²": 1})
    assert found[0].where == "²"
    assert [problem.where for problem in found if problem.code == "bad_path"] == [f"files[{n}].path" for n in range(12)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{",
        b'{"batch_id": "a", "batch_id": "b"}',
        b"[NaN]",
        b"[1e999]",
        b"[9223372036854775808]",
        b"[" + b"9" * 5000 + b"]",
        b'["\\ud800"]',
        b'{"\\u0000": 1}',
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_or_would_not_survive_is_said(content: bytes) -> None:
    (problem,) = problems(content)
    assert problem.code == "manifest_not_json"
    assert len(problem.message) < 300


def test_numbers_at_the_limits_are_kept() -> None:
    metadata = {"low": -(2**63), "high": 2**63 - 1, "exact": 0.1 + 0.2, "deep": json.loads("[" * 60 + "]" * 60)}
    assert parse(EXAMPLE | {"metadata": metadata}).metadata == metadata


def test_what_is_too_large_is_not_even_parsed() -> None:
    (problem,) = problems(b" " * (MAX_MANIFEST_BYTES + 1))
    assert problem.code == "manifest_too_large"


def test_what_was_never_meant_as_a_manifest_gets_a_list_that_can_be_read() -> None:
    found = problems({str(n): n for n in range(5000)} | {"x" * 100_000: 1})
    assert len(found) == MAX_PROBLEMS + 1
    assert "more_problems" in {problem.code for problem in found}
    assert max(len(str(problem)) for problem in found) < 500


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
paths = st.text().map(lambda text: f"s3://{LANDING}/{text}") | st.text()
files = st.dictionaries(
    st.sampled_from(["path", "type", "format", "crs", "layer", "dataset_id", "encoding", "sha256", "options"]) | st.text(),
    json_values | paths | st.sampled_from(["vector", "GeoJSON", "EPSG:4326"]),
)
manifests = st.dictionaries(st.sampled_from(list(Manifest.model_fields)) | st.text(), json_values) | st.fixed_dictionaries(
    {"batch_id": st.text(), "uploader": st.text(), "intent": st.text(), "files": st.lists(files | json_values)},
    optional={"metadata": json_values, "parameters": json_values},
)


@given(
    st.binary()
    | json_values.map(lambda value: json.dumps(value).encode())
    | manifests.map(lambda value: json.dumps(value).encode())
)
def test_whatever_arrives_is_a_manifest_or_is_rejected_with_reasons(content: bytes) -> None:
    try:
        manifest = parse(content)
    except Rejected as rejection:
        told = rejection.problems
    else:
        assert parse(manifest.model_dump_json().encode()) == manifest
        return
    assert told
    for problem in told:
        assert all([problem.code, problem.where, problem.message, problem.remedy])
        assert problem.model_dump_json().encode()


@given(paths)
def test_a_landing_key_is_a_plain_path_below_the_bucket(path: str) -> None:
    with suppress(ValueError):
        key = landing_key(path, LANDING)
        assert path.removesuffix("/") == f"s3://{LANDING}/{key}"
        assert not {"", ".", ".."} & set(key.split("/"))
        assert key.split("/")[0] not in {"manifests", "archive", "reports"}


@pytest.mark.parametrize(
    "path",
    [
        "s3://landing-zone/../data-lake/a",
        "s3://landing-zone/a/../../b",
        "s3://landing-zone//a",
        "s3://landing-zone/./a",
        "s3://landing-zone/",
        "s3://landing-zone",
        "s3://landing-zone/a\\b",
        "s3://landing-zone/a\nb",
        "s3://landing-zone/manifests/",
        "s3://landing-zone/reports/a.json",
        "s3://data-lake/a",
        "s3://landing-zone.evil/a",
        "S3://landing-zone/a",
        "/etc/passwd",
        "/vsicurl/http://example.org/a",
        "s3://landing-zone/" + "a" * 1025,
    ],
)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        landing_key(path, LANDING)


@pytest.mark.parametrize(
    "name", ["Straßen 2024 #1.geojson", "Capture d’écran\u202f2.png", "e\u0301.shp", "👨\u200d👩.kml", "roads.gdb/"]
)
def test_names_that_people_give_are_accepted(name: str) -> None:
    assert landing_key(f"s3://landing-zone/a/{name}", LANDING) == f"a/{name}".removesuffix("/")


def test_the_schema_describes_the_manifest_for_editors() -> None:
    schema = manifest_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["required"]) == {"batch_id", "uploader", "intent"}, "files or inputs"
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(
    ("crs", "none"), [("none", True), ("None", True), (" NONE ", True), ("EPSG:4326", False), ("nonesuch", False), (None, False)]
)
def test_what_says_that_there_is_no_crs(crs: str | None, none: bool) -> None:
    assert says_no_crs(crs) is none
