"""Relations and CRS names."""

import pytest
from pydantic import ValidationError

from libs.transformations import Column, Relation
from libs.transformations.crs import same_crs, short_name


@pytest.mark.parametrize("names", [["a", "A"], ["geom"], ["GEOM"], ["Bbox"], ["_etl_row"], [""], ["a\0"], ["Ä", "ä"]])
def test_names_that_engines_cannot_hold_are_refused(names: list[str]) -> None:
    with pytest.raises(ValidationError):
        Relation(columns=tuple(Column(name=name, type="string") for name in names), geometry=True)


def test_a_column_is_found_by_its_exact_name() -> None:
    relation = Relation(columns=(Column(name="Name", type="string"),), geometry=False)
    assert relation.column("Name") == Column(name="Name", type="string")
    assert relation.column("name") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("EPSG:4326", "epsg:4326", True),
        ("OGC:CRS84", "EPSG:4326", True),
        ("EPSG:4326", "EPSG:4258", False),
        ('GEOGCRS["WGS 84"]', "EPSG:4326", False),
    ],
)
def test_crs_names(one: str, other: str, same: bool) -> None:
    assert same_crs(one, other) is same
    assert same_crs(other, one) is same


def test_a_crs_is_named_shortly() -> None:
    assert short_name('PROJCRS["Town grid",BASEGEOGCRS["WGS 84"]]') == "Town grid"
    assert short_name("EPSG:4326") == "EPSG:4326"
