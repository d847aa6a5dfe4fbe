"""Files to read, written by hand: as odd as a test wants them."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely


def collection(path: Path, *features: dict[str, Any], **members: Any) -> Path:
    """A FeatureCollection of features whose usual members may be left out."""
    whole = [{"type": "Feature", "properties": {}, "geometry": None, **feature} for feature in features]
    path.write_text(json.dumps({"type": "FeatureCollection", **members, "features": whole}), encoding="utf-8")
    return path


def geopackage(path: Path, column: str, *values: str) -> Path:
    """A layer ``a`` of points, a row for each value (in SQL), with one column more, declared as its author likes."""
    points = gpd.GeoDataFrame(geometry=[shapely.Point(1, 1)] * len(values), crs="EPSG:4326")
    points.to_file(path, layer="a", driver="GPKG", engine="pyogrio", SPATIAL_INDEX="NO")
    with sqlite3.connect(path) as database:
        database.execute(f"ALTER TABLE a ADD COLUMN {column}")
        for number, value in enumerate(values, 1):
            database.execute(f'UPDATE a SET "{column.split(maxsplit=1)[0]}" = {value} WHERE fid = {number}')
    return path


def varint(number: int) -> bytes:
    """An integer as protocol buffers have it."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def number(field: int, value: int) -> bytes:
    """A field of a message that is an integer."""
    return varint(field << 3) + varint(value)


def message(field: int, value: bytes) -> bytes:
    """A field of a message that is bytes."""
    return varint(field << 3 | 2) + varint(len(value)) + value


def seamless(folder: Path, *tables: str) -> Path:
    """A seamless table of MapInfo that names others; the tables ``Data/north.tab`` (3 points), ``Data/south.tab`` (4)."""
    (folder / "Data").mkdir(parents=True)
    for y, (name, count) in enumerate((("north", 3), ("south", 4))):
        columns = {"name": [f"{name}{n}" for n in range(count)], "v": [*range(count)]}
        points = [shapely.Point(n, y) for n in range(count)]
        frame = gpd.GeoDataFrame(columns, geometry=points, crs="EPSG:4326")
        frame.to_file(folder / "Data" / f"{name}.tab", driver="MapInfo File", engine="pyogrio")
    index = gpd.GeoDataFrame(
        {"Table": tables, "Description": ""}, geometry=[shapely.box(0, 0, 5, 1)] * len(tables), crs="EPSG:4326"
    )
    index.to_file(folder / "all.tab", driver="MapInfo File", engine="pyogrio")
    with (folder / "all.tab").open("a") as text:
        text.write('begin_metadata\n"\\IsReadOnly" = "FALSE"\n"\\IsSeamless" = "TRUE"\nend_metadata\n')
    return folder / "all.tab"
