"""The map of a dataset: no zoom leaves out a feature, whatever it looks like. GDAL reads the tiles, in a process of its own."""

import gzip
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from libs.spatial_utils.crs import transformed
from services.catalog import density
from services.catalog.density import DEEPEST, MOST, Pyramid
from services.catalog.grid import SIDE, metres, tile_of
from tests.integration.catalog.conftest import HOSTILE, Served

pytestmark = pytest.mark.integration

CROWD = "/maps/city.crowd/1"
PLACED, UNPLACED = 6_005, 3
READ = """
import json, sys, pyogrio, shapely
read = {}
for path in sys.stdin.read().split():
    layers = {}
    for name, _ in pyogrio.list_layers(path):
        meta, _, shapes, values = pyogrio.raw.read(path, layer=name)
        columns = {field: column.tolist() for field, column in zip(meta["fields"], values)}
        shapes = shapely.from_wkb(shapes)
        parts = shapely.get_num_geometries(shapes).tolist()
        layers[str(name)] = {"columns": columns, "parts": parts, "wkt": shapely.to_wkt(shapes).tolist()}
    read[path] = layers
json.dump(read, sys.stdout)
"""
Place = tuple[int, int, int]


def tiles(catalog: Served, address: str, places: Sequence[Place], folder: Path) -> Mapping[Place, Any]:
    """What GDAL finds in tiles; nothing for those that are empty."""
    paths = {}
    for zoom, x, y in places:
        answer = catalog.get(f"{address}/{zoom}/{x}/{y}")
        assert answer.status in {200, 204}, answer.text
        if answer.body:
            path = folder / f"{zoom}/{x}/{y}.mvt"  # so GDAL knows where it lies
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(answer.body)
            paths[str(path)] = (zoom, x, y)
    done = subprocess.run(
        [sys.executable, "-c", READ], input="\n".join(paths), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return {paths[path]: layers for path, layers in json.loads(done.stdout).items()}


def children(places: Sequence[Place]) -> list[Place]:
    return [(zoom + 1, 2 * x + right, 2 * y + down) for zoom, x, y in places for right in (0, 1) for down in (0, 1)]


def test_at_every_zoom_the_tiles_add_up_to_the_number_of_features(catalog: Served, tmp_path: Path) -> None:
    told = catalog.get(CROWD).json
    assert (told["features"], told["placed"], told["unplaced"]) == (PLACED + UNPLACED, PLACED, UNPLACED)
    base = told["base"]
    assert base > 2
    places: Sequence[Place] = [(0, 0, 0)]
    for zoom in range(base + 2):
        found = tiles(catalog, CROWD, places, tmp_path)
        if zoom < base:
            counts = [
                count * parts
                for layers in found.values()
                for count, parts in zip(layers["density"]["columns"]["count"], layers["density"]["parts"], strict=True)
            ]
            assert sum(counts) == PLACED
        else:
            numbers = [{*layers["features"]["columns"]["number"]} for layers in found.values()]
            assert max(map(len, numbers)) <= MOST + 10  # those that reach into it from elsewhere
            drawn = set[int]().union(*numbers)
            assert drawn >= {*range(PLACED)}
            assert not drawn & {PLACED, PLACED + 1, PLACED + 2}
        places = children([*found])


@pytest.mark.parametrize("version", [1, 2])
def test_features_are_drawn_where_they_are(catalog: Served, tmp_path: Path, version: int) -> None:
    """The first version of the parks is in degrees, the second in UTM."""
    asset = catalog.state.ledger.asset("riverton.parks", version)
    features = [json.loads(catalog.state.features.one(asset, row) or "") for row in range(3)]
    shapes = {
        each["properties"]["name"]: shapely.transform(shapely.from_geojson(json.dumps(each["geometry"])), in_mercator)
        for each in features
        if each["geometry"]
    }
    zoom = 12
    place = (zoom, *tile_of(zoom, *features[0]["geometry"]["coordinates"][0][0]))
    layer = tiles(catalog, f"/maps/riverton.parks/{version}", [place], tmp_path)[place]["features"]
    drawn = dict(zip(layer["columns"]["name"], map(shapely.from_wkt, layer["wkt"]), strict=True))
    assert drawn.keys() == shapes.keys()
    frame = shapely.box(*metres(*place))
    for name, shape in drawn.items():
        apart = shapely.hausdorff_distance(shape & frame, shapes[name] & frame)
        assert apart < 2 * SIDE / 2**zoom / 4096  # two units of a tile


def in_mercator(points: Any) -> Any:
    return np.column_stack(transformed("OGC:CRS84", "EPSG:3857", points))


def test_places_that_are_all_the_same_are_counted_at_the_last_zoom_too(catalog: Served) -> None:
    """A pyramid of more features in one place than are drawn ends nowhere."""
    sides = [pa.array([7.0] * (MOST + 1)) for _ in range(4)]
    extents = pa.StructArray.from_arrays(sides, ["xmin", "ymin", "xmax", "ymax"])
    codes = density._codes(extents, "EPSG:4326")
    assert not density._is_sparse(codes, DEEPEST)
    assert density._is_sparse(codes[1:], 0)


def test_a_feature_is_told_as_it_is(catalog: Served) -> None:
    values = dict(catalog.get(f"{CROWD}/features/3").json["values"])
    assert int(values["big"]) == 2**60 + int(values["number"])  # no number of a browser holds it
    assert catalog.get(f"{CROWD}/features/{PLACED + UNPLACED}").status == 404
    (name,) = [entry.dataset_id for entry in catalog.state.index.entries() if entry.dataset_id.endswith("hostile")]
    answer = catalog.get(f"/maps/{name}/1/features/0")
    assert answer.headers["content-type"] == "application/json"
    assert "\\\\u202e" in answer.text
    assert "\u202e" not in answer.text
    assert "\\u001b" not in answer.text
    assert catalog.get(f"/maps/{name}/1/0/0/0").status == 200
    assert any(label != HOSTILE for label in [column["label"] for column in catalog.get(f"/maps/{name}/1").json["columns"]])


def test_a_tile_is_sent_once(catalog: Served) -> None:
    answer = catalog.get(f"{CROWD}/0/0/0", Accept_Encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == catalog.get(f"{CROWD}/0/0/0").body
    assert catalog.get(f"{CROWD}/0/0/0", If_None_Match=answer.headers["etag"]).status == 304
    assert catalog.get(f"{CROWD}/9/0/0").status == 204


@pytest.mark.parametrize(
    "path",
    [
        f"{CROWD}/23/0/0", f"{CROWD}/0/1/0", f"{CROWD}/0/0/-1", f"{CROWD}/a/0/0", f"{CROWD}/" + "9" * 5_000 + "/0/0",
        "/maps/riverton.trees/1", "/maps/none/1", "/maps/city.crowd/9", f"{CROWD}/features/x",
        "/ogc/collections/city.crowd/tiles/WebMercatorQuad/0/0/1",
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused(catalog: Served, path: str) -> None:
    assert catalog.get(path).status == 404


def test_ogc_tiles_lead_from_the_collection_to_each_tile(catalog: Served) -> None:
    def linked(path: str, rel: str) -> str:
        (link,) = [link for link in catalog.get(path).json["links"] if link["rel"] == rel]
        return str(link["href"]).removeprefix(catalog.url)

    listed = linked("/ogc/collections/city.crowd", "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector")
    (described,) = catalog.get(listed).json["tilesets"]
    (address,) = [link["href"].removeprefix(catalog.url) for link in described["links"] if link["rel"] == "self"]
    tileset = catalog.get(address).json
    assert [layer["id"] for layer in tileset["layers"]] == ["density", "features"]
    template = linked(address, "item")
    tile = catalog.get(template.format(tileMatrix=0, tileRow=0, tileCol=0))
    assert tile.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert tile.body == catalog.get(f"{CROWD}/0/0/0").body
    matrices = catalog.get(linked(address, "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme")).json["tileMatrices"]
    assert matrices[0]["scaleDenominator"] == pytest.approx(559_082_264.028717)  # as the standard has it
    assert len(matrices) == DEEPEST + 1
    limits = {each["tileMatrix"]: each for each in tileset["tileMatrixSetLimits"]}
    assert (limits["1"]["minTileRow"], limits["1"]["maxTileCol"]) == (0, 1)
    told = catalog.get(f"{address}?f=tilejson").json
    assert told["minzoom"] == 0
    assert told["vector_layers"][1]["fields"] == {"number": "Integer", "big": "Integer", "day": "String"}
    assert catalog.get(f"{address}?f=html").status == 400


def test_counts_are_made_once_and_forgotten_when_they_are_too_many(catalog: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = catalog.state.ledger.asset("city.crowd")
    made: Pyramid = catalog.state.tiles.pyramid(asset)
    assert catalog.state.tiles.pyramid(asset) is made
    folder = catalog.state.folder / "few"
    monkeypatch.setattr(density, "_KEPT", 1)
    pyramids = density.Pyramids(catalog.state.files, folder)
    first = pyramids.of(asset).levels[0].tile(0, 0)
    pyramids.of(catalog.state.ledger.asset("riverton.parks", 1))
    assert [path.name for path in folder.iterdir()] == ["riverton.parks@1"]
    assert pyramids.of(asset).levels[0].tile(0, 0) == first == made.levels[0].tile(0, 0)
