"""Real files through the whole platform: what comes out, under which name, and what is recorded of it."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from libs.models import Status

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", ["roads.gpkg", "roads.shp", "roads.fgb", "roads.geojsonl", "roads.geojson", "roads.gml"])
def test_a_format(name: str, platform: Any, frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    latlon = name.endswith(("geojson", "geojsonl"))
    (frame.to_crs(4326) if latlon else frame).to_file(tmp_path / name, driver=None if "gml" not in name else "GML")
    report = platform.ingest("b1", platform.entry(platform.put(f"in/{name}", tmp_path / name)))
    assert (report.status, report.problems) == (Status.SUCCESS, ())
    (dataset,) = report.datasets
    assert (dataset.dataset_id, dataset.version, dataset.features, dataset.crs) == ("roads", 1, 4, "EPSG:4326")
    assert dataset.changes.repaired == 1
    rows = geopandas.read_parquet(platform.stack.lake.store.root / "roads/v1/data.parquet").sort_values("count")
    attributes = platform.read("roads").sort_by("count").select(["name", "height", "count"]).to_pydict()
    assert attributes == {"name": ["a", "b", None, "d"], "height": [1.5, 2.5, 3.5, None], "count": [1, 2, 3, 4]}
    expected = frame.geometry.make_valid().to_crs(4326)
    # not vertex by vertex: GeoJSON's seven decimals decide otherwise which vertex a normal form begins with
    assert shapely.hausdorff_distance(rows.geometry.iloc[:3].to_numpy(), expected.iloc[:3].to_numpy()).max() < 1e-6
    assert rows.geometry.is_valid.all()


def test_a_shapefile_in_a_zip_and_a_csv(platform: Any, frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    (tmp_path / "shp").mkdir()
    frame.to_file(tmp_path / "shp" / "houses.shp")
    with zipfile.ZipFile(tmp_path / "houses.zip", "w") as archive:
        for part in (tmp_path / "shp").iterdir():
            archive.write(part, f"sub/{part.name}")
    zipped = platform.put("in/houses.zip", (tmp_path / "houses.zip").read_bytes())
    csv = platform.put("in/shops.csv", "name;lon;lat\nA;9.5;48.25\nB;;\n")
    report = platform.ingest(
        "b1",
        platform.entry(zipped, format="ESRI Shapefile"),
        platform.entry(csv, crs="EPSG:4326", options={"x": "lon", "y": "lat", "delimiter": ";"}),
    )
    assert [(each.dataset_id, each.features) for each in report.datasets] == [("houses", 4), ("shops", 2)]


def test_a_table(platform: Any) -> None:
    report = platform.ingest(
        "b1", platform.entry(platform.put("in/t.csv", "a,b\n1,x\n2,y\n"), type="tabular"), intent="ingest_tabular"
    )
    (dataset,) = report.datasets
    assert (dataset.crs, dataset.bbox, dataset.geometry_types) == (None, None, ())
    assert platform.read("t").to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


# Names


@pytest.fixture
def two_layers(frame: geopandas.GeoDataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "city.gpkg"
    frame.to_file(path, layer="Grüne Flächen")
    frame.iloc[:2].to_file(path, layer="roads")
    return path


def test_every_layer_is_a_dataset(platform: Any, two_layers: Path) -> None:
    report = platform.ingest("b1", platform.entry(platform.put("in/city.gpkg", two_layers)), metadata={"project": "ALPHA"})
    assert [(each.dataset_id, each.features) for each in report.datasets] == [
        ("alpha.city.grune-flachen", 4),
        ("alpha.city.roads", 2),
    ]


def test_one_layer_of_a_file(platform: Any, two_layers: Path) -> None:
    path = platform.put("in/city.gpkg", two_layers)
    report = platform.ingest(
        "b1", platform.entry(path, layer="roads"), platform.entry(path, layer="Grüne Flächen", dataset_id="green")
    )
    assert [(each.dataset_id, each.features) for each in report.datasets] == [("city.roads", 2), ("green", 4)]


def test_layers_under_one_id_are_appended(platform: Any, two_layers: Path) -> None:
    report = platform.ingest("b1", platform.entry(platform.put("in/city.gpkg", two_layers), dataset_id="all"))
    (dataset,) = report.datasets
    assert (dataset.dataset_id, dataset.features) == ("all", 6)
    lineage = platform.stack.ledger.lineage("all", 1)
    assert [(layer.layer, layer.features) for layer in lineage.inputs] == [("Grüne Flächen", 4), ("roads", 2)]


def test_the_batch_names_its_one_dataset(platform: Any, geojson: Callable) -> None:
    report = platform.ingest(
        "b1", platform.entry(platform.put("in/a.geojson", geojson())), metadata={"dataset_id": "Chosen.Name", "project": "p"}
    )
    assert [each.dataset_id for each in report.datasets] == ["Chosen.Name"]


@pytest.mark.parametrize("named", ["../up", "a/b", "", "x" * 200, "ä", "a\n", 7, ["a"]])
def test_a_name_for_the_batch_that_is_none(named: Any, platform: Any, geojson: Callable) -> None:
    report = platform.ingest("b1", platform.entry(platform.put("in/a.geojson", geojson())), metadata={"dataset_id": named})
    assert report.status is Status.REJECTED
    assert [(problem.code, problem.where) for problem in report.problems] == [("bad_identifier", "metadata.dataset_id")]
    assert platform.lies_in("lake") == []


def test_a_name_for_a_batch_of_several_datasets_is_not_ignored_silently(platform: Any, geojson: Callable) -> None:
    files = [platform.entry(platform.put(f"in/{name}.geojson", geojson())) for name in "ab"]
    report = platform.ingest("b1", *files, metadata={"dataset_id": "chosen"})
    assert [each.dataset_id for each in report.datasets] == ["a", "b"]
    assert [(warning.code, warning.where) for warning in report.warnings] == [("dataset_id_not_used", "metadata.dataset_id")]


@pytest.mark.parametrize("project", ["", "!!!"])
def test_a_project_that_begins_no_name_is_not_ignored_silently(project: str, platform: Any, geojson: Callable) -> None:
    report = platform.ingest("b1", platform.entry(platform.put("in/a.geojson", geojson())), metadata={"project": project})
    assert [each.dataset_id for each in report.datasets] == ["a"]
    assert [(warning.code, warning.where) for warning in report.warnings] == [("project_not_used", "metadata.project")]


def test_files_of_one_id_are_appended_in_order(platform: Any, geojson: Callable) -> None:
    files = [platform.entry(platform.put(f"in/{name}.geojson", geojson(2, part=name)), dataset_id="all") for name in "abc"]
    other = platform.entry(platform.put("in/other.geojson", geojson(1)))
    report = platform.ingest("b1", files[0], other, *files[1:])
    assert [(each.dataset_id, each.features) for each in report.datasets] == [("other", 1), ("all", 6)]
    assert platform.read("all")["part"].to_pylist() in (["a", "b", "c"] * 2, ["a", "b", "c", "a", "b", "c"])
    assert platform.read("all")["n"].to_pylist() == [0, 0, 0, 1, 1, 1]


def test_files_of_one_id_must_agree(platform: Any, geojson: Callable) -> None:
    files = [
        platform.entry(platform.put("in/a.geojson", geojson(2, part="a")), dataset_id="all"),
        platform.entry(platform.put("in/b.geojson", geojson(2, part=1)), dataset_id="all"),
    ]
    report = platform.ingest("b1", *files)
    assert [(problem.code, problem.where) for problem in report.problems] == [("schema_mismatch", "files[1]: layer b")]
    assert "part" in report.problems[0].message


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_derived_id_that_is_taken(order: tuple[int, int], platform: Any, geojson: Callable) -> None:
    files = [
        platform.entry(platform.put("x/roads.geojson", geojson())),
        platform.entry(platform.put("y/Roads.geojson", geojson()), **({} if order == (0, 1) else {"dataset_id": "roads"})),
    ]
    report = platform.ingest("b1", *(files[index] for index in order))
    assert [problem.code for problem in report.problems] == ["dataset_id_taken"]
    assert "'roads'" in report.problems[0].message
    assert platform.lies_in("lake") == []


def test_a_derived_id_between_two_files_that_share_it(platform: Any, geojson: Callable) -> None:
    shared = [platform.entry(platform.put(f"{folder}/a.geojson", geojson()), dataset_id="roads") for folder in "xy"]
    derived = platform.entry(platform.put("z/roads.geojson", geojson()))
    report = platform.ingest("b1", shared[0], derived, shared[1])
    assert [(problem.code, problem.where) for problem in report.problems] == [("dataset_id_taken", "files[1].path")]
    assert platform.lies_in("lake") == []


def test_layers_whose_names_slug_alike(platform: Any, frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    for layer in ("Main St", "main-st"):
        frame.to_file(tmp_path / "a.gpkg", layer=layer)
    report = platform.ingest("b1", platform.entry(platform.put("in/a.gpkg", tmp_path / "a.gpkg")))
    (problem,) = report.problems
    assert (problem.code, problem.where) == ("dataset_id_taken", "files[0]: layer main-st")


def test_versions_count_up(platform: Any, geojson: Callable) -> None:
    for number in (1, 2, 3):
        report = platform.ingest(f"b{number}", platform.entry(platform.put("in/a.geojson", geojson(number))))
        assert [(each.version, each.features) for each in report.datasets] == [(number, number)]
    assert [platform.read("a", number).num_rows for number in (1, 2, 3)] == [1, 2, 3]


# Columns


def test_a_column_whose_name_no_sql_can_spell_is_renamed_and_recorded(platform: Any, tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame({"a\0b": [1]}, geometry=[shapely.Point(1, 2)], crs="EPSG:4326")
    frame.to_parquet(tmp_path / "a.parquet")
    report = platform.ingest("b1", platform.entry(platform.put("in/a.parquet", tmp_path / "a.parquet")))
    assert report.datasets[0].changes.renamed == {"a\0b": "a_b"}
    assert platform.read("a").column("a_b").to_pylist() == [1]


def test_columns_that_collide_are_renamed_and_recorded(platform: Any) -> None:
    properties = {"geom": 1, "bbox": "b", "ID": 2, "id": 3, "_etl_row": 4, "Geom": 5, "fine": 6}
    feature = {"type": "Feature", "properties": properties, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    report = platform.ingest(
        "b1", platform.entry(platform.put("in/a.geojson", json.dumps({"type": "FeatureCollection", "features": [feature]})))
    )
    (dataset,) = report.datasets
    renamed = dataset.changes.renamed
    (row,) = platform.read("a").to_pylist()
    assert set(renamed) == {"geom", "bbox", "id", "_etl_row", "Geom"}
    assert {name: row[renamed.get(name, name)] for name in properties} == properties
    assert platform.stack.ledger.lineage("a", 1).changes.renamed == renamed


# Intents and parameters


def test_an_unknown_intent_gets_the_default_and_a_warning(platform: Any, geojson: Callable) -> None:
    report = platform.ingest("b1", platform.entry(platform.put("in/a.geojson", geojson())), intent="ingest_vectro")
    assert (report.status, report.recipe) == (Status.SUCCESS, "default")
    assert [(warning.code, warning.where) for warning in report.warnings] == [("unknown_intent", "intent")]
    assert "ingest_vectro" in report.warnings[0].message
    assert '"intent": "ingest_vector"' in report.warnings[0].remedy


def test_an_unknown_intent_and_a_broken_recipe_are_refused(open_platform: Callable, geojson: Callable, tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    (recipes / "a.yaml").write_text("name: mine\ndescription: d\nsteps: [{op: fly}]\n")
    platform = open_platform(spatial_etl_recipes=recipes, spatial_etl_unknown_intent="reject")
    entry = platform.entry(platform.put("in/a.geojson", geojson()))
    unknown = platform.ingest("b1", entry, intent="ingest_vectro")
    assert [(problem.code, problem.where) for problem in unknown.problems] == [("unknown_intent", "intent")]
    assert "'ingest_vector'" in unknown.problems[0].remedy
    broken = platform.ingest("b2", entry, intent="mine")
    (problem,) = broken.problems
    assert (problem.code, problem.where) == ("recipe_broken", "intent")
    assert "a.yaml: Step 1: 'fly' is no step" in problem.message
    assert platform.ingest("b3", entry).status is Status.SUCCESS


def test_parameters_reach_the_recipe(platform: Any, geojson: Callable) -> None:
    report = platform.ingest(
        "b1", platform.entry(platform.put("in/a.geojson", geojson())), intent="reproject", parameters={"crs": "EPSG:3857"}
    )
    assert [each.crs for each in report.datasets] == ["EPSG:3857"]
    assert platform.stack.ledger.lineage("a", 1).recipe["arguments"] == {"crs": "EPSG:3857"}


def test_a_parameter_that_is_missing_or_unknown(platform: Any, geojson: Callable) -> None:
    path = platform.put("in/a.geojson", geojson())
    report = platform.ingest("b1", platform.entry(path), intent="reproject", parameters={"csr": "EPSG:3857"})
    assert {problem.code for problem in report.problems} == {"unknown_parameter", "missing_parameter"}


def test_a_recipe_of_the_users_own(open_platform: Callable, geojson: Callable, tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    (recipes / "mine.yaml").write_text("name: mine\ndescription: Mine.\nsteps: [{op: reproject, crs: 'EPSG:3857'}]\n")
    platform = open_platform(spatial_etl_recipes=recipes)
    report = platform.ingest("b1", platform.entry(platform.put("in/a.geojson", geojson())), intent="mine")
    assert (report.recipe, report.datasets[0].crs) == ("mine", "EPSG:3857")


# What is recorded


def test_everything_is_recorded(platform: Any, frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    frame.to_file(tmp_path / "roads.shp")
    metadata = {"project": "Alpha", "any": {"thing": [1, None]}}
    report = platform.ingest("b1", platform.entry(platform.put("in/roads.shp", tmp_path / "roads.shp")), metadata=metadata)
    ledger, landing = platform.stack.ledger, platform.stack.landing
    asset, lineage = platform.asset("alpha.roads"), ledger.lineage("alpha.roads", 1)

    lying = platform.stack.lake.store.root / "alpha.roads/v1/data.parquet"
    (file,) = asset.files
    assert file.key == "alpha.roads/v1/data.parquet"
    assert report.datasets[0].files[0].uri == "s3://data-lake/alpha.roads/v1/data.parquet", "as users see it"
    assert (file.bytes, file.sha256) == (lying.stat().st_size, hashlib.sha256(lying.read_bytes()).hexdigest())
    assert platform.lies_in("lake") == ["alpha.roads/v1/data.parquet"]
    assert (asset.run_id, asset.batch_id, asset.features, file.features) == ("b1#1", "b1", 4, 4)
    assert [(field.name, field.type) for field in asset.table_schema][:3] == [
        ("name", "string"),
        ("height", "double"),
        ("count", "int64"),
    ]
    assert asset.bbox is not None
    assert 9 == asset.bbox[0] < asset.bbox[2] < 9.01

    assert lineage is not None
    assert {item.key: item.sha256 for item in lineage.inputs[0].objects} == {
        f"in/roads{suffix}": hashlib.sha256((tmp_path / f"roads{suffix}").read_bytes()).hexdigest()
        for suffix in (".cpg", ".dbf", ".prj", ".shp", ".shx")
    }
    assert (lineage.inputs[0].crs, lineage.inputs[0].features) == ("EPSG:25832", 4)
    assert lineage.manifest["metadata"] == metadata
    assert (lineage.uploader, lineage.intent, lineage.recipe["name"], lineage.engine) == (
        "someone",
        "ingest_vector",
        "default",
        "duckdb",
    )
    assert lineage.changes.repaired == asset.changes.repaired == 1
    assert {"spatial-etl", "python", "gdal", "duckdb", "pyarrow"} <= lineage.software.keys()

    state = ledger.batch("b1")
    assert (state.status, state.outcome.decision.value) == (Status.SUCCESS, "success")
    assert [entry.action for entry in ledger.activity()] == ["success", "claimed", "received", "upgraded"]
    written = json.loads(landing.store.read("reports/b1.json"))
    assert written == json.loads(report.model_dump_json())
    assert json.loads(landing.store.read("archive/b1/b1-1.json"))["metadata"] == metadata
    assert landing.waiting() == []
    assert platform.transient() == []


def test_progress_tells_every_phase(platform: Any, geojson: Callable) -> None:
    from libs.pipeline.process import process

    events = []
    platform.submit("b1", platform.entry(platform.put("in/a.geojson", geojson(7))))
    list(process(platform.stack, progress=events.append))
    assert {event.batch_id for event in events} == {"b1"}
    assert [event.phase for event in events] == ["read", "read", "write", "place"]
    assert [event.features for event in events] == [None, 7, 7, 7]


def test_surfaces_are_kept_and_a_collapse_is_told(platform: Any, tmp_path: Path) -> None:
    wall = shapely.from_wkt("POLYGON Z ((0 0 0, 10 0 0, 10 0 8, 0 0 8, 0 0 0))")
    spike, plain = shapely.from_wkt("POLYGON Z ((0 0 1, 5 0 1, 5 0 1, 0 0 1))"), shapely.force_3d(shapely.box(0, 0, 1, 1), 2)
    frame = geopandas.GeoDataFrame({"n": [1, 2, 3]}, geometry=[plain, wall, spike], crs="EPSG:25832")
    frame.geometry = frame.geometry.translate(500_000, 5_500_000)
    frame.to_file(tmp_path / "city.gpkg")
    report = platform.ingest("b1", platform.entry(platform.put("in/city.gpkg", tmp_path / "city.gpkg")))
    (dataset,), (warning,) = report.datasets, report.warnings
    assert (dataset.changes.repaired, dataset.changes.counts) == (0, {"kept_as_3d": 1, "collapsed": 1})
    assert dataset.geometry_types == ("LineString Z", "Polygon Z")
    assert (warning.code, warning.where) == ("collapsed", "files[0]: layer city, feature 3")
    kept = shapely.from_wkb(platform.read("city").sort_by("n")["geom"].to_pylist()[1])
    assert shapely.get_coordinates(kept, include_z=True)[:, 2].tolist() == [0, 0, 8, 8, 0]
    lineage = platform.stack.ledger.lineage("city", 1)
    assert lineage is not None
    assert lineage.changes == dataset.changes
