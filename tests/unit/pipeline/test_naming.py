import hashlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.models import FileSpec, Manifest
from libs.models.base import ID_PATTERN
from libs.pipeline.naming import dataset_id, lake_columns, slug, title

ANY_TEXT = st.text() | st.sampled_from(
    ["", ".", "..", "-", "_", "...", "ä", "ß", "東京", "A" * 300, "a.b", ".hidden", "\0", "é", "İ"]
)
NAMES = st.lists(
    st.text(max_size=5)
    | st.sampled_from(
        ["geom", "GEOM", "bbox", "_etl_row", "_ETL_x", "id", "ID", "Id", "id_1", "", "geom_1", "ß", "SS", "ss", "a\0b", "a_b"]
    ),
    max_size=12,
)


def manifest(path: str, metadata: dict[str, Any] | None = None) -> tuple[Manifest, FileSpec]:
    spec = FileSpec(path=path, type="vector", format="GeoJSON")
    return Manifest(batch_id="b", uploader="u", intent="i", files=(spec,), metadata=metadata or {}), spec


@given(project=ANY_TEXT | st.integers() | st.none(), stem=ANY_TEXT, layer=ANY_TEXT, only=st.booleans())
def test_a_dataset_id_is_an_identifier_whatever_the_names(project: Any, stem: str, layer: str, only: bool) -> None:
    made, spec = manifest(f"s3://landing-zone/x/{stem}.geojson", {"project": project})
    assert re.fullmatch(ID_PATTERN, dataset_id(made, spec, layer, only_layer=only))


@pytest.mark.parametrize(
    ("path", "project", "layer", "only", "expected"),
    [
        ("s3://landing-zone/a/Roads.geojson", "Alpha", "Roads", True, "alpha.roads"),
        ("s3://landing-zone/a/city.gpkg", "alpha", "Main Roads", False, "alpha.city.main-roads"),
        ("s3://landing-zone/a/city.gpkg", "", "roads", False, "city.roads"),
        ("s3://landing-zone/a/data.gdb/", None, "x", True, "data"),
        ("s3://landing-zone/a/roads.shp.zip", "", "roads", True, "roads"),
        ("s3://landing-zone/a/Straßen & Wege.geojson", "", "x", True, "strassen-wege"),
        ("s3://landing-zone/a/Čeština_2024.geojson", "", "x", True, "cestina_2024"),
        ("s3://landing-zone/a/_private.geojson", "", "x", True, "d_private"),
        ("s3://landing-zone/a/Дороги.geojson", "Проект", "x", True, "proekt.dorogi"),
        ("s3://landing-zone/a/Подъезд №5.geojson", "", "x", True, "podezd-5"),
        ("s3://landing-zone/a/道路.geojson", "", "x", True, "daolu-a44c7ba2"),
        ("s3://landing-zone/a/city.gpkg", "", "Ελλάδα 2024", False, "city.ellada-2024"),
        ("s3://landing-zone/a/Ağdam ə.geojson", "", "x", True, "agdam-229bea83"),  # a Latin letter: as it always was
    ],
)
def test_dataset_ids(path: str, project: str | None, layer: str, only: bool, expected: str) -> None:
    made, spec = manifest(path, {} if project is None else {"project": project})
    assert dataset_id(made, spec, layer, only_layer=only) == expected


def test_files_without_a_letter_of_ours_stay_apart() -> None:
    names = [
        dataset_id(*manifest(f"s3://landing-zone/{stem}.geojson"), "x", only_layer=True) for stem in ("東京", "大阪", "道路")
    ]
    assert len(set(names)) == 3


def test_names_that_are_cut_stay_apart_and_the_same() -> None:
    names = ["a" * 242, "a" * 241, "道" * 80, "道" * 79, "д" * 121, "д" * 120]
    made = [dataset_id(*manifest(f"s3://landing-zone/{stem}.geojson"), "x", only_layer=True) for stem in names]
    assert [len(identifier) <= 128 for identifier in made] == [True] * 6
    assert len(set(made)) == 6
    assert made[2].startswith("daodaodao")
    assert made[0] == f"{'a' * 119}-{hashlib.sha256(b'a' * 242).hexdigest()[:8]}"


def test_titles() -> None:
    _, spec = manifest("s3://landing-zone/x/Straße.v2.geojson")
    assert title(spec, "道路", only_layer=True) == "Straße"
    assert title(spec, "道路", only_layer=False) == "Straße: 道路"
    _, decomposed = manifest("s3://landing-zone/x/Cafe\u0301.geojson")  # as macOS writes it
    assert title(decomposed, "x", only_layer=True) == "Café"


@given(st.text())
def test_a_slug_is_its_own_slug(text: str) -> None:
    assert slug(slug(text)) == slug(text)


@given(NAMES)
def test_columns_are_unique_where_case_does_not_count(names: list[str]) -> None:
    columns, renamed = lake_columns(names)
    folded = [column.casefold() for column in columns]
    assert len(columns) == len(names)
    assert len(set(folded)) == len(folded)
    assert not {"geom", "bbox", ""} & set(folded)
    assert "\0" not in "".join(columns)
    assert not any(name.startswith("_etl_") for name in folded)
    assert [new for old, new in zip(names, columns, strict=True) if old != new] == list(renamed.values())


@given(NAMES)
def test_a_name_that_is_in_nobodys_way_is_kept(names: list[str]) -> None:
    columns, _ = lake_columns(names)
    folded = [name.casefold() for name in names]
    for name, column in zip(names, columns, strict=True):
        if (
            folded.count(name.casefold()) == 1
            and name
            and "\0" not in name
            and name.casefold() not in {"geom", "bbox"}
            and not name.casefold().startswith("_etl_")
        ):
            assert column == name


def test_what_was_renamed_is_told_for_each_column() -> None:
    columns, renamed = lake_columns(["a", "a", "A", "geom"])
    assert columns == ["a", "a_1", "A_2", "geom_1"]
    assert renamed == {"a": "a_1", "A": "A_2", "geom": "geom_1"}
    assert lake_columns(["", "", ""])[1] == {"": "column_1", " (column 2)": "column_2", " (column 3)": "column_3"}
