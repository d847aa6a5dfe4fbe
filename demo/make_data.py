"""Makes the files in ``demo/data``: an invented town, in five formats.

The files are committed; run this only to change them: ``python demo/make_data.py``.
"""

import csv
import json
import os
import random
import shutil
import zipfile
from pathlib import Path

import geopandas
import pandas as pd
from shapely import LineString, MultiPolygon, Point, Polygon, box

DATA = Path(__file__).parent / "data"
UTM = "EPSG:25832"
EAST, NORTH = 573_000.0, 5_934_000.0
"""South-west corner of the town, metres."""
BLOCK = 120.0
"""Side of a block of houses with its road, metres."""
BLOCKS = 6


def main() -> None:
    """Write every file anew."""
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    os.environ["OGR_CURRENT_DATE"] = "2026-01-01T00:00:00Z"  # GDAL writes it into a GeoPackage
    draw = random.Random(1)  # the same town every time
    _town(draw)
    _parks()
    _districts()
    _trees(draw)
    _stops()


def _town(draw: random.Random) -> None:
    """A GeoPackage with two layers, projected, with the attribute types that people really have."""
    houses = []
    for number in range(BLOCKS * BLOCKS * 4):
        block, corner = divmod(number, 4)
        x = EAST + (block % BLOCKS) * BLOCK + 20 + (corner % 2) * 45
        y = NORTH + (block // BLOCKS) * BLOCK + 20 + (corner // 2) * 45
        width, depth = draw.uniform(12, 30), draw.uniform(12, 30)
        houses.append(
            {
                "house_id": 9_000_000_000 + number,
                "use": draw.choice(["housing", "housing", "housing", "shop", "workshop", "school"]),
                "storeys": draw.randint(1, 5),
                "height_m": round(draw.uniform(4, 18), 1),
                "built": pd.Timestamp(draw.randint(1890, 2020), draw.randint(1, 12), draw.randint(1, 28)).date(),
                "surveyed_at": pd.Timestamp("2026-03-01T08:00:00Z") + pd.Timedelta(minutes=7 * number),
                "heritage": draw.random() < 0.1,
                "note": None if draw.random() < 0.8 else "façade geprüft",
                "geometry": box(x, y, x + width, y + depth),
            }
        )
    # An hourglass, as digitising makes them: invalid, and the default recipe repairs it.
    x, y = EAST + 20, NORTH + 20
    houses[0]["geometry"] = Polygon([(x, y), (x + 20, y + 20), (x + 20, y), (x, y + 20), (x, y)])
    roads = [
        {
            "name": f"{street} {index + 1}",
            "lanes": 1 + index % 2,
            "geometry": LineString([(*start, 11.5 + index), (*end, 12.0 + index)]),
        }
        for index in range(BLOCKS)
        for street, start, end in (
            ("East Street", (EAST, NORTH + index * BLOCK), (EAST + BLOCKS * BLOCK, NORTH + index * BLOCK)),
            ("North Street", (EAST + index * BLOCK, NORTH), (EAST + index * BLOCK, NORTH + BLOCKS * BLOCK)),
        )
    ]
    options = {"driver": "GPKG", "engine": "pyogrio", "use_arrow": True, "SPATIAL_INDEX": "NO"}  # with Arrow, dates stay dates
    geopandas.GeoDataFrame(houses, crs=UTM).to_file(DATA / "town.gpkg", layer="buildings", **options)
    geopandas.GeoDataFrame(roads, crs=UTM).to_file(DATA / "town.gpkg", layer="roads", **options)


def _parks() -> None:
    """GeoJSON, longitude and latitude: mixed geometry types, a list, a missing geometry."""
    corner = geopandas.GeoSeries([Point(EAST, NORTH)], crs=UTM).to_crs(4326).iloc[0]
    lon, lat = round(corner.x, 4), round(corner.y, 4)
    places = (0.001, 0.001, 0.002, 0.0016), (0.004, 0.002, 0.005, 0.003), (0.006, 0, 0.007, 0.001)
    lawn, *rest = (box(*(round(a + b, 4) for a, b in zip((lon, lat, lon, lat), place, strict=True))) for place in places)
    grove = MultiPolygon(rest)
    features = [
        {"type": "Feature", "properties": properties, "geometry": geometry}
        for properties, geometry in (
            ({"name": "Town Lawn", "opened": "1998-05-01", "benches": 12, "plants": ["oak", "lime"]}, lawn.__geo_interface__),
            ({"name": "Grove", "opened": None, "benches": 3, "plants": []}, grove.__geo_interface__),
            ({"name": "Planned Park", "opened": None, "benches": None, "plants": None}, None),
        )
    ]
    lines = ",\n".join(json.dumps(feature) for feature in features)
    (DATA / "parks.geojson").write_text(f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n', encoding="utf-8")


def _districts() -> None:
    """A Shapefile in Latin-1, zipped in a sub-folder; and the same one with its end cut off, as a broken download leaves it."""
    half = BLOCKS * BLOCK / 2
    districts = geopandas.GeoDataFrame(
        {"name": ["Südstadt", "Hafen", "Altstadt", "Höhe"], "people": [1204, 876, 2310, 455]},
        geometry=[
            box(EAST + x * half, NORTH + y * half, EAST + (x + 1) * half, NORTH + (y + 1) * half) for y in (0, 1) for x in (0, 1)
        ],
        crs=UTM,
    )
    folder = DATA / "shp"
    folder.mkdir()
    districts.to_file(folder / "districts.shp", driver="ESRI Shapefile", engine="pyogrio", encoding="ISO-8859-1")
    with zipfile.ZipFile(DATA / "districts.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(f"delivery/{path.name}", (2026, 1, 1, 0, 0, 0)), path.read_bytes())
    cut = DATA / "cut_off"
    folder.rename(cut)
    whole = (cut / "districts.shp").read_bytes()
    (cut / "districts.shp").write_bytes(whole[: len(whole) * 2 // 3])


def _trees(draw: random.Random) -> None:
    """Delimited text with coordinates in two columns, as spreadsheets give it."""
    with (DATA / "trees.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["tree", "species", "planted", "easting", "northing"])
        for number in range(200):
            x, y = EAST + draw.uniform(0, BLOCKS * BLOCK), NORTH + draw.uniform(0, BLOCKS * BLOCK)
            rows.writerow(
                [f"T-{number:04}", draw.choice(["oak", "lime", "maple"]), draw.randint(1950, 2024), f"{x:.2f}", f"{y:.2f}"]
            )


def _stops() -> None:
    """KML, as map viewers export it."""
    spots = geopandas.GeoSeries([Point(EAST + 120 * i, NORTH + 90 * i) for i in range(BLOCKS)], crs=UTM).to_crs(4326)
    marks = "\n".join(
        f"    <Placemark><name>Stop {number}</name><description>Line 7</description>"
        f"<Point><coordinates>{spot.x:.6f},{spot.y:.6f},12</coordinates></Point></Placemark>"
        for number, spot in enumerate(spots, 1)
    )
    (DATA / "stops.kml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">\n  <Document>\n'
        f"    <name>stops</name>\n{marks}\n  </Document>\n</kml>\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
