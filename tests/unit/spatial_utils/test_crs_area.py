"""The area of use of a CRS in its own coordinates."""

import pytest

from libs.spatial_utils.crs import Crs


@pytest.mark.parametrize(
    ("crs", "area"),
    [
        ("EPSG:4326", (-180, -90, 180, 90)),
        ("EPSG:4269", (167.65, 14.92, -40.73, 86.45)),  # across 180 degrees
        ("EPSG:4807", (-8.008, 45.9, 8.103, 56.822)),  # grads from Paris
        ("EPSG:2056", (2_485_072, 1_074_262, 2_837_120, 1_299_942)),
        ("EPSG:3413", (-3_314_693, -3_314_693, 3_314_693, 3_314_693)),  # round a pole
        ("EPSG:7415", (646, 306_671, 284_347, 637_111)),  # with heights
    ],
)
def test_known(crs: str, area: tuple[float, ...]) -> None:
    assert Crs.parse(crs).area == pytest.approx(area, rel=1e-3)


def test_unknown() -> None:
    assert Crs.parse("+proj=laea +lat_0=50 +lon_0=10 +datum=WGS84").area is None
