"""TINs, polyhedral surfaces, triangles and multipatches: a MultiPolygon of their faces, in order, with every height."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from tests.integration.reading.shapefiles import multipatch, write_shapes, write_table

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Ring = list[tuple[float, float, float]]

WALL: Ring = [(0, 0, 0), (9, 0, 0), (9, 0, 8), (0, 0, 8), (0, 0, 0)]
WINDOW: Ring = [(4, 0, 2), (4, 0, 4), (6, 0, 4), (6, 0, 2), (4, 0, 2)]
ROOF: Ring = [(0, 0, 8), (9, 0, 8), (9, 9, 8), (0, 9, 8), (0, 0, 8)]
TRIANGLES: list[Ring] = [[(0, 0, 0), (1, 0, 0), (1, 1, 3), (0, 0, 0)], [(0, 0, 0), (1, 1, 3), (0, 1, 0), (0, 0, 0)]]


def polygon(*rings: Ring, kind: int = 1003) -> bytes:
    return struct.pack("<BII", 1, kind, len(rings)) + b"".join(
        struct.pack("<I", len(ring)) + b"".join(struct.pack("<3d", *position) for position in ring) for ring in rings
    )


def surface(kind: int, *faces: bytes) -> bytes:
    return struct.pack("<BII", 1, kind, len(faces)) + b"".join(faces)


SURFACES = {
    "polyhedral surface": (surface(1015, polygon(WALL, WINDOW), polygon(ROOF)), [[WALL, WINDOW], [ROOF]]),
    "TIN": (surface(1016, *[polygon(each, kind=1017) for each in TRIANGLES]), [[each] for each in TRIANGLES]),
    "triangle": (polygon(TRIANGLES[0], kind=1017), [[TRIANGLES[0]]]),
}


def faces(shape: Any) -> list[list[Ring]]:
    parts = shape.geoms if shape.geom_type == "MultiPolygon" else [shape]
    return [[list(ring.coords) for ring in (part.exterior, *part.interiors)] for part in parts]


@pytest.mark.filterwarnings("ignore")  # pyogrio knows no such types
@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize(("suffix", "driver"), [("gpkg", "GPKG"), ("csv", "CSV"), ("parquet", "GeoParquet")])
def test_a_surface_keeps_its_faces(read: Reader, tmp_path: Path, name: str, suffix: str, driver: str) -> None:
    path, (wkb, expected) = tmp_path / f"a.{suffix}", SURFACES[name]
    spec: dict[str, Any] = {}
    if suffix == "parquet":
        geo = {"version": "1.1.0", "primary_column": "geom", "columns": {"geom": {"encoding": "WKB", "geometry_types": []}}}
        table = pa.table({"n": [1], "geom": pa.array([wkb], pa.binary())})
        pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    else:
        options = {"GEOMETRY": "AS_WKT"} if suffix == "csv" else {}
        geometry, number = np.array([wkb], object), [np.array([1])]
        pyogrio.raw.write(
            path, geometry, number, ["n"], geometry_type="Unknown", crs="EPSG:25832", driver=driver, layer_options=options
        )
        spec = {"crs": "EPSG:25832", "options": {"wkt": "WKT"}} if suffix == "csv" else {}
    got = read(path, driver, **spec)
    (shape,) = got.geometries
    assert (shape.geom_type, shape.has_z) == ("Polygon" if name == "triangle" else "MultiPolygon", True)
    assert faces(shape) == expected
    assert got.counts["a"] == {"surfaces_to_polygons": 1}


STRIP: Ring = [(0, 0, 0), (1, 0, 0), (0, 0, 3), (1, 0, 3)]
PATCHES: dict[str, tuple[list[tuple[int, Ring]], list[list[Ring]]]] = {
    "strip": ([(0, STRIP)], [[[*STRIP[:3], STRIP[0]]], [[*STRIP[1:], STRIP[1]]]]),
    "fan": ([(1, STRIP)], [[[*STRIP[:3], STRIP[0]]], [[STRIP[0], *STRIP[2:], STRIP[0]]]]),
    "wall with a window": ([(2, WALL), (3, WINDOW)], [[WALL, WINDOW]]),
    "first ring and a hole": ([(4, WALL), (5, WINDOW)], [[WALL, WINDOW]]),
    "rings of their own": ([(5, WALL), (5, ROOF)], [[WALL], [ROOF]]),
    "a ring behind an outer one": ([(2, WALL), (5, ROOF)], [[WALL], [ROOF]]),
    "all together": ([(0, STRIP), (2, WALL), (3, WINDOW), (2, ROOF)],
                     [[[*STRIP[:3], STRIP[0]]], [[*STRIP[1:], STRIP[1]]], [WALL, WINDOW], [ROOF]]),
}  # fmt: skip


@pytest.mark.parametrize("by", ["columns", "GDAL", "GDAL, some deleted"])
def test_a_multipatch_keeps_its_faces(read: Reader, tmp_path: Path, by: str) -> None:
    """GDAL takes a ring that no first ring stands before for a hole of the one before it."""
    path = tmp_path / "a.shp"
    shapes = [*(multipatch(*patches) for patches, _ in PATCHES.values()), struct.pack("<i", 0)]
    write_shapes(path, 31, shapes, gap=2 if by == "GDAL" else 0)
    deleted = [1, 4] if by.endswith("deleted") else []
    write_table(path, [("N", 4, 0)], [[b"1"]] * len(shapes), deleted=deleted)
    got = read(path, "ESRI Shapefile", crs="EPSG:25832")
    expected = [faces for index, (_, faces) in enumerate(PATCHES.values()) if index not in deleted]
    *made, missing = got.geometries
    assert missing is None
    assert [faces(shape) for shape in made] == expected
    assert got.counts["a"] == {"surfaces_to_polygons": len(expected)}


def test_a_multipatch_that_is_not_as_described_is_for_gdal(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    write_shapes(path, 31, [multipatch((2, WALL))] * 8 + [multipatch((2, WALL[:-1]))])
    write_table(path, [("N", 4, 0)], [[b"1"]] * 9)
    got = read(path, "ESRI Shapefile", crs="EPSG:25832")
    assert [shape.geom_type for shape in got.geometries] == ["MultiPolygon"] * 9
    assert shapely.get_coordinates(got.geometries, include_z=True)[:, 2].max() == 8
