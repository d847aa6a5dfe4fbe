import pytest

from libs.models import Changes, InputLayer, Problem, Report, Status
from libs.models.report import DatasetReport
from services.cli import report

DATASET = DatasetReport(
    dataset_id="a.roads", version=3, features=12_345, crs="EPSG:4326", bbox=(0, 0, 1, 1), geometry_types=("LineString", "Point"),
    changes=Changes(repaired=2, linearized=1, dropped={"filter": 7}, renamed={"geom": "geom_1"}, counts={"m_values_dropped": 5}),
    files=({"uri": "s3://data-lake/a.roads/v3/data.parquet", "sha256": "0" * 64, "bytes": 3449, "features": 12_345},),
)  # fmt: skip


def shown(capsys, **fields):
    base = {"batch_id": "b1", "run_id": "b1#1", "status": Status.SUCCESS, "intent": "ingest_vector", "recipe": "default"}
    report.show(Report(**base | fields), lambda uri: uri.removeprefix("s3://"))
    return capsys.readouterr().out


def test_a_success_says_what_was_made_and_every_change(capsys):
    said = shown(capsys, datasets=(DATASET,))
    assert "✓ b1  success: 1 dataset" in said
    assert "a.roads@3  12,345 features  LineString, Point  EPSG:4326" in said
    for change in ("2 geometries repaired", "1 curved geometry turned into lines", "7 features left out by filter",
                   "renamed 'geom' to 'geom_1'", "5 m values dropped"):  # fmt: skip
        assert change in said
    assert "data-lake/a.roads/v3/data.parquet  3.4 kB" in said


def test_what_was_not_changed_is_not_mentioned(capsys):
    assert "changed" not in shown(capsys, datasets=(DATASET.model_copy(update={"changes": Changes()}),))


@pytest.mark.parametrize(("crs", "said"), [("EPSG:4326", "0 features  no geometry  EPSG:4326"), (None, "0 features  table  -")])
def test_features_that_a_filter_left_none_of_are_no_table(capsys, crs, said):
    empty = DATASET.model_copy(update={"features": 0, "geometry_types": (), "crs": crs})
    assert said in shown(capsys, datasets=(empty,))


def test_local_coordinates_have_no_crs(capsys):
    assert "  Point  no CRS\n" in shown(
        capsys, datasets=(DATASET.model_copy(update={"geometry_types": ("Point",), "crs": None}),)
    )


@pytest.mark.parametrize(
    ("source", "crs", "said"),
    [
        ("file", "EPSG:25832", "EPSG:25832"),
        ("manifest", "EPSG:25832", "EPSG:25832"),
        ("manifest", None, "no CRS"),
        ("format", "EPSG:4326", "EPSG:4326 (assumed: the default of GeoJSON)"),
        (None, None, "-"),
        (None, "EPSG:25832", "EPSG:25832"),  # of a record from before this was noted
    ],
)
def test_who_said_the_crs_of_an_input(source, crs, said):
    layer = InputLayer(file=0, path="s3://l/a", format="GeoJSON", layer="a", crs=crs, features=1, objects=(), crs_source=source)
    assert report.input_crs(layer) == said


def test_problems_and_warnings_say_where_what_and_what_to_do(capsys):
    problem = Problem(code="crs_missing", where="files[0]", message="No CRS.", remedy="Add one.")
    said = shown(capsys, status=Status.REJECTED, problems=(problem, problem), warnings=(problem,))
    assert "✗ b1  rejected: 2 problems" in said
    assert "  2. files[0]  crs_missing\n     No CRS.\n     → Add one.\n" in said
    assert "1 warning" in said


def test_a_long_list_ends_and_says_how_many_more_there_are(capsys):
    warning = Problem(code="c", where="files[0]", message="m", remedy="r")
    said = shown(capsys, datasets=(DATASET,) * 1_200, warnings=(warning,) * 201)
    assert said.count("a.roads@3") == 200
    assert "... and 1,000 datasets more; --json lists them all." in said
    assert "201 warnings" in said
    assert "... and 1 warning more; --json lists them all." in said
    assert "more" not in shown(capsys, datasets=(DATASET,) * 200, warnings=(warning,) * 200)
