"""Esri JSON."""

import json
from pathlib import Path
from typing import Any

import pyogrio
import pytest

from tests.integration.reading.canaries.plain import shapes, still_lost, table

pytestmark = pytest.mark.integration

DOCUMENT, GEOMETRY = "formats/esrijson/document.py", "formats/esrijson/geometry.py"


def _written(path: Path, *features: tuple[Any, dict[str, Any]], kind: str = "Point", **more: Any) -> Path:
    fields = [{"name": "OBJECTID", "type": "esriFieldTypeOID"}, {"name": "d", "type": "esriFieldTypeDate"}]
    listed = [{"geometry": geometry, "attributes": attributes} for geometry, attributes in features]
    path.write_text(json.dumps({"geometryType": f"esriGeometry{kind}", "fields": fields, **more, "features": listed}))
    return path


def test_features_are_sorted_by_their_objectid(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.json", ({"x": 1, "y": 1}, {"OBJECTID": 7}), ({"x": 2, "y": 1}, {"OBJECTID": 3}))
    got = [shape.x for shape in shapes(table(path))]
    still_lost(got != [1, 2], DOCUMENT, got)


def test_dates_have_no_time_zone(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.json", ({"x": 1, "y": 1}, {"OBJECTID": 7, "d": 0}))
    got = table(path).schema.field("d").type
    still_lost(getattr(got, "tz", None) is None, DOCUMENT, got)


def test_attributes_that_are_not_declared_are_left_out(tmp_path: Path) -> None:
    got = table(_written(tmp_path / "a.json", ({"x": 1, "y": 1}, {"OBJECTID": 7, "more": 0}))).column_names
    still_lost("more" not in got, DOCUMENT, got)


@pytest.mark.filterwarnings("ignore")
def test_curves_are_left_out(tmp_path: Path) -> None:
    curve = {"curvePaths": [[[0, 0], {"c": [[2, 0], [1, 1]]}]]}
    got = shapes(table(_written(tmp_path / "a.json", (curve, {"OBJECTID": 1}), kind="Polyline")))
    still_lost(got == [None], GEOMETRY, got)


def test_quantised_coordinates_are_taken_for_positions(tmp_path: Path) -> None:
    transform = {"originPosition": "upperLeft", "scale": [10, 10], "translate": [500, 900]}
    got = shapes(table(_written(tmp_path / "a.json", ({"x": 1, "y": 1}, {"OBJECTID": 1}), transform=transform)))
    still_lost(got[0].x == 1, GEOMETRY, got)


def test_heights_that_only_the_feature_set_announces_are_measures(tmp_path: Path) -> None:
    line = {"paths": [[[0, 0, 5], [1, 1, 6]]]}
    path = _written(tmp_path / "a.json", (line, {"OBJECTID": 1}), kind="Polyline", hasM=True)
    got = pyogrio.read_info(path)["geometry_type"], shapes(table(path))
    still_lost(bool(got[1][0].has_z), GEOMETRY, got)
