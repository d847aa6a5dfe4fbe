"""Areas from GeoJSON and WKT."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.transformations.area import Area

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
HOLE = [[0.2, 0.2], [0.4, 0.2], [0.4, 0.4], [0.2, 0.2]]


def test_both_notations_give_the_same() -> None:
    polygon = Area.parse({"type": "Polygon", "coordinates": [SQUARE, HOLE]})
    same = Area.parse(" polygon((0 0, 1 0,1 1 ,0 1,0 0),\n(0.2 0.2, .4e0 0.2, 0.4 0.4, 0.2 0.2)) ".replace(" .4e0", " 0.4"))
    assert polygon.wkt == same.wkt
    assert polygon.wkt.startswith("POLYGON ((0.0 0.0, 1.0 0.0")


def test_multipolygons_and_heights() -> None:
    area = Area.parse("MULTIPOLYGON Z (((0 0 7, 1 0 7, 1 1 7, 0 0 7)), ((5 5 1, 6 5 1, 6 6 1, 5 5 1)))")
    assert area.wkt == "MULTIPOLYGON (((0.0 0.0, 1.0 0.0, 1.0 1.0, 0.0 0.0)), ((5.0 5.0, 6.0 5.0, 6.0 6.0, 5.0 5.0)))"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "POINT (1 1)",
        "POLYGON EMPTY",
        {"type": ["Polygon"], "coordinates": []},
        "POLYGON ((0 0, 1 0, 1 1))",
        "POLYGON ((0 0, 1 0, 1 1, 0 1))",
        "POLYGON ((0 0, 1 0, 1 nan, 0 0))",
        "POLYGON ((0 0, 1 0, 1, 0 0))",
        "POLYGON ((0 0, 1 0, 1 1, 0 0)",
        "POLYGON ((0 0, 1 0, 1 1, 0 0)); DROP TABLE x",
        "POLYGON ((0 0, 1 0, 1 x, 0 0))",
        {},
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[]]},
        {"type": "MultiPolygon", "coordinates": [[]]},
        {"type": "MultiPolygon", "coordinates": [SQUARE]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, "0"], [1, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, math.inf], [1, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": "x"},
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [SQUARE]}},
        {"type": ["Polygon"], "coordinates": [SQUARE]},
        {"type": {}, "coordinates": [SQUARE]},
        pytest.param({"type": "Polygon", "coordinates": [[[0, 0], [10**400, 0], [1, 1], [0, 0]]]}, id="401 digits"),
        pytest.param(f"POLYGON {'(' * 3000}0 0{')' * 3000}", id="3,000 brackets"),
        pytest.param(f"POLYGON {'(0 0, ' * 3000}{')' * 3000}", id="3,000 positions with brackets"),
        "POLYGON ((1 1, 1 1, 1 1, 1 1))",
        "POLYGON ((0 0, 5e-324 0, 0 5e-324, 0 0))",
        "POLYGON ((-1e308 -1e308, 1e308 -1e308, 1e308 1e308, -1e308 -1e308))",
        "POLYGON ((0 0, 1e308 0, 0 1, 0 0))",
    ],
    ids=str,
)
def test_everything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Area.parse(value)


@given(
    st.one_of(
        st.text(),
        st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
    )
)
def test_no_input_crashes_the_parser(value: Any) -> None:
    try:
        Area.parse(value if isinstance(value, str) else {"type": "Polygon", "coordinates": value})
    except ValueError:
        return
    raise AssertionError(value)  # nothing that is generated is a closed ring by accident


@pytest.mark.parametrize("bbox", [(0, 0, 0, 1), (170, 0, -170, 1), (0, 0, math.inf, 1), (0, math.nan, 1, 1)])
def test_a_bounding_box_has_an_area(bbox: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="bounding box"):
        Area.of_bbox(bbox)


@pytest.mark.parametrize("bbox", [(-1e308, 0, 1e308, 1), (0, 0, 5e-324, 5e-324)])
def test_a_bounding_box_has_an_extent_that_can_be_told(bbox: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="the area"):
        Area.of_bbox(bbox)


@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e303])
def test_densifying_gives_numbers_whatever_the_size(size: float) -> None:
    assert set(Area.of_bbox((-size, -size, size, size)).densified().wkt) <= set("POLYGON (.0123456789e+-, )")


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(1e-3, 1e6))
def test_densifying_adds_vertices_on_the_edges_only(x: float, y: float, width: float, height: float) -> None:
    dense = Area.of_bbox((x, y, x + width, y + height)).densified().wkt
    positions = [tuple(map(float, text.split())) for text in dense[len("POLYGON ((") : -2].split(", ")]
    assert 128 <= len(positions) <= 4 * 129
    assert positions[0] == positions[-1]
    for corner in [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]:
        assert corner in positions
    slack = 1e-9 * (abs(x) + abs(y) + width + height)
    for px, py in positions:
        assert min(abs(px - x), abs(px - x - width), abs(py - y), abs(py - y - height)) <= slack
