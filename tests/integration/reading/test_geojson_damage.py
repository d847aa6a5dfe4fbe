"""GeoJSON and its sequences where they are broken, or hold something else than features."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from libs.models import Problem
from tests.integration.reading.writing import collection

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


@pytest.mark.parametrize(("line", "code"), [('{"type":"Feature","proper', "damaged"), ('{"foo":1}', "damaged"), ("x", "damaged")])
def test_a_broken_line_of_a_sequence_is_named(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame, line: str, code: str
) -> None:
    path = write(places, "a.geojsonl", "GeoJSONSeq")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[41] = line
    path.write_text("\n".join(lines), encoding="utf-8")
    problem = refused(path, "GeoJSONSeq")
    assert problem.code == code
    assert problem.where == "files[0]: line 42"


def test_both_spellings_of_a_sequence(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame, tmp_path: Path) -> None:
    path = write(places, "a.geojsonl", "GeoJSONSeq")
    lines = path.read_text(encoding="utf-8").splitlines()
    separated = tmp_path / "b.geojsons"
    separated.write_text("".join(f"\x1e{json.dumps(json.loads(line), indent=2)}\n" for line in lines), encoding="utf-8")
    assert read(path, "GeoJSONSeq").table.drop_columns("geom") == read(separated, "GeoJSONSeq").table.drop_columns("geom")


def test_sequence_and_collection_taken_for_each_other(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    """GDAL would read one feature of the first, and none of the second."""
    problem = refused(write(places, "a.geojsonl", "GeoJSONSeq"), "GeoJSON")
    assert problem.code == "format_mismatch"
    assert "GeoJSONSeq" in problem.remedy
    assert refused(write(places, "a.geojson", "GeoJSON"), "GeoJSONSeq").code in {"format_mismatch", "damaged"}


@pytest.mark.parametrize("wrong", ["Featur", "Point", None])
@pytest.mark.parametrize("padding", [0, 9_000_000])
def test_a_member_of_a_collection_that_is_no_feature(
    refused: Refuser, read: Reader, tmp_path: Path, wrong: Any, padding: int
) -> None:
    """GDAL passes over it."""
    features = [{"properties": {"geometry": "x" * padding if i == 3 else "short"}, "geometry": None} for i in range(9)]
    path = collection(tmp_path / "a.geojson", *features)
    assert read(path, "GeoJSON").table.num_rows == 9
    features[6]["type"] = wrong
    problem = refused(collection(tmp_path / "a.geojson", *features), "GeoJSON")
    assert (problem.code, problem.where) == ("damaged", "files[0]: feature 7")


@pytest.mark.parametrize(
    "member", ["null", "7", '{"a": 5}', '{"type": "Point", "coordinates": [1, 2]}', '{"type": "feature", "geom\\u0065try": null}']
)
def test_so_is_any_other_value(refused: Refuser, tmp_path: Path, member: str) -> None:
    path = collection(tmp_path / "a.geojson", {"properties": {"a": 1}})
    path.write_text(path.read_text().replace('"features": [', f'"features": [{member}, '))
    problem = refused(path, "GeoJSON")
    assert (problem.code, problem.where) == ("damaged", "files[0]: feature 1")


def test_what_follows_the_end_of_a_document(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    for document in (
        json.dumps({"type": "Feature", "properties": {"n": 1}, "geometry": None}),
        '{"type": "Point", "coordinates": [1, 2]}',
    ):
        path.write_text(f"{document} {document}")
        assert (refused(path, "GeoJSON").code, refused(path, "GeoJSON").where) == ("damaged", "files[0]: line 1")


def test_properties_that_are_none(refused: Refuser, tmp_path: Path) -> None:
    for properties in ([1, 2], "text"):
        problem = refused(collection(tmp_path / "a.geojson", {"properties": properties}), "GeoJSON")
        assert (problem.code, problem.where) == ("damaged", "files[0]: feature 1")


@pytest.mark.parametrize(
    ("before", "between"),
    [("", ""), ("", " "), ("", "\r"), ("", "\n   \n"), ("\ufeff", "\n"), ("", "\n\n"), ("\x1e", "\x1e"), ("", "\r\n")],
)
@pytest.mark.parametrize("padding", [0, 2_000_000])
def test_whatever_stands_between_the_features_of_a_sequence(
    read: Reader, tmp_path: Path, before: str, between: str, padding: int
) -> None:
    """GDAL reads one feature a line and no more, or nothing at all."""
    features = [{"type": "Feature", "properties": {"n": n, "text": "ü" * padding}, "geometry": None} for n in range(5)]
    path = tmp_path / "a.geojsonl"
    path.write_text(before + between.join(map(json.dumps, features)) + between, encoding="utf-8", newline="")
    for full_scan in (True, False):
        assert read(path, "GeoJSONSeq", full_scan=full_scan).table["n"].to_pylist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("text", ["b\0c", "\\\0", "\\u0000 is written so, and \0 is it", "\0" * 2])
def test_a_text_with_nul_would_be_cut(refused: Refuser, tmp_path: Path, text: str) -> None:
    assert refused(collection(tmp_path / "a.geojson", {"properties": {"a": text}}), "GeoJSON").code == "nul_character"


def test_the_spelling_of_nul_is_a_text_like_any_other(read: Reader, tmp_path: Path) -> None:
    path = collection(tmp_path / "a.geojson", {"properties": {"a": r"\u0000"}}, {"properties": {"a": r"\\u0000"}})
    assert read(path, "GeoJSON").table["a"].to_pylist() == [r"\u0000", r"\\u0000"]
