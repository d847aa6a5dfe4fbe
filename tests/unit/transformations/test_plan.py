"""Plans as text: the SQL of a recipe in every dialect, and what a recipe refuses."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.models import Rejected
from libs.transformations import Column, Dialect, DuckDb, Plan, PostGis, Recipe, Registry, Relation
from libs.transformations.crs import CrsFacts, CrsUnit
from libs.transformations.surfaces import judge
from tests.unit.transformations.stub_dialect import StubDialect

DIALECTS = [DuckDb(), PostGis(), StubDialect()]
TRANSFORM = r"\b(?:ST_Transform|stub_transform)\("
COLUMNS = (
    Column(name="id", type="int64"),
    Column(name="Kind", type="string"),
    Column(name="height", type="double"),
    Column(name="built", type="date32[day]"),
    Column(name="flag", type="bool"),
    Column(name="tags", type="list<item: string>"),
)
PARCELS = Relation(columns=COLUMNS, geometry=True, crs="EPSG:25832")
TABLE = Relation(columns=COLUMNS, geometry=False)


def look_up(text: str) -> CrsFacts:
    if text not in {"EPSG:25832", "EPSG:4326", "EPSG:3857"}:
        raise ValueError(f"{text} is no CRS")
    return CrsFacts(text, CrsUnit("angle", 1) if text == "EPSG:4326" else CrsUnit("length", 1))


def recipe(*steps: dict[str, object]) -> Recipe:
    return Recipe.model_validate({"name": "mine", "description": "Mine.", "steps": steps})


def plan(relation: Relation, *steps: dict[str, object], dialect: Dialect = DIALECTS[0]) -> Plan:
    return recipe(*steps).plan(relation, dialect, look_up)


def test_repairing_in_duckdb() -> None:
    plan = Registry().recipes["keep_crs"].plan(PARCELS.model_copy(update={"columns": COLUMNS[:1]}), DuckDb())
    (stage,) = plan.stages
    assert stage.select.splitlines() == [
        "WITH step_1_repair AS (",
        'SELECT "_etl_row", "id", ST_GeomFromWKB(geom) AS "geom"',
        "FROM raw_data",
        "),",
        "step_1_repair_2 AS (",
        f'SELECT "_etl_row", {judge("geom", DuckDb(), None)} AS "_etl_1_state", "id", "geom"',
        "FROM step_1_repair",
        "),",
        "step_1_repair_3 AS (",
        (
            'SELECT "_etl_row", "_etl_1_state", "id", '
            "CASE WHEN _etl_1_state = 1 THEN CASE WHEN NOT regexp_matches(ST_AsText(geom), '(?i)nan|inf') "
            'THEN TRY(ST_MakeValid(geom)) END ELSE geom END AS "geom", '
            'CASE WHEN _etl_1_state = 1 THEN ST_Dimension(geom) END AS "_etl_dimension"'
        ),
        "FROM step_1_repair_2",
        ")",
        (
            'SELECT "_etl_row", "_etl_1_state", '
            'CASE WHEN _etl_1_state = 1 THEN NOT coalesce(ST_IsValid(geom), false) ELSE false END AS "_etl_1_failed", '
            'CASE WHEN _etl_1_state = 1 THEN ST_Dimension(geom) < _etl_dimension ELSE false END AS "_etl_1_collapsed", '
            '"id", "geom"'
        ),
        "FROM step_1_repair_3",
    ]
    assert plan.relation.crs == "EPSG:25832"
    assert plan.row_filter is None
    assert (stage.source, stage.target) == ("raw_data", "processed")


def test_postgis_keeps_the_selects_apart() -> None:
    (stage,) = Registry().recipes["default"].plan(PARCELS, PostGis()).stages
    assert stage.select.count(", pg_is_in_recovery() AS _etl_fence\n") == len(re.findall('SELECT "_etl_row"', stage.select)) == 5
    assert "ST_SetSRID(ST_Transform(ST_SetSRID(geom, 25832), 4326), 0)" in stage.select


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_only_what_may_be_torn_is_cut_and_only_in_longitudes(dialect: Dialect) -> None:
    to_degrees = plan(PARCELS, {"op": "reproject", "crs": "EPSG:4326"}, dialect=dialect).stages[0].select
    assert len(re.findall(TRANSFORM, to_degrees)) == to_degrees.count("split(") == 1
    assert re.search(r"CASE WHEN [^\n]*>= [^\n]*180\.0 OR [^\n]* THEN CASE WHEN [^\n]* THEN [^\n]*_split\(", to_degrees)
    assert "split(" not in plan(PARCELS, {"op": "reproject", "crs": "EPSG:3857"}, dialect=dialect).stages[0].select


def test_postgis_takes_a_crs_as_text_where_it_has_no_number_for_it() -> None:
    relation = PARCELS.model_copy(update={"crs": 'PROJCRS["Town"]'})
    steps = recipe({"op": "reproject", "crs": "EPSG:4326"})
    assert """ST_Transform(geom, 'PROJCRS["Town"]', 'EPSG:4326')""" in steps.plan(relation, PostGis()).stages[0].select
    numbers = {'PROJCRS["Town"]': 910_001, "EPSG:4326": 4326}
    assert "ST_SetSRID(geom, 910001), 4326)" in steps.plan(relation, PostGis(numbers.get)).stages[0].select


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_what_changes_nothing_is_one_plain_select(dialect: Dialect) -> None:
    (stage,) = recipe().plan(TABLE, dialect).stages
    fence = f", {dialect.fence}" if dialect.fence else ""
    columns = ", ".join(map(dialect.identifier, ("_etl_row", *TABLE.names)))
    assert stage.select == f"SELECT {columns}{fence}\nFROM raw_data"
    assert stage.audit is None


def test_reprojecting_to_the_crs_of_the_source_is_no_work() -> None:
    relation = PARCELS.model_copy(update={"crs": "OGC:CRS84"})
    made = recipe({"op": "reproject", "crs": "EPSG:4326"}).plan(relation, DuckDb())
    assert "ST_Transform" not in made.stages[0].select
    assert made.relation.crs == "EPSG:4326"


def test_a_table_passes_the_steps_that_change_geometries() -> None:
    steps = [{"op": "reproject", "crs": "EPSG:4326"}, {"op": "repair"}, {"op": "force_2d"}]
    steps += [
        {"op": "simplify", "tolerance": {"value": 1, "unit": "m"}},
        {"op": "set_precision", "grid": {"value": 1, "unit": "m"}},
    ]
    assert plan(TABLE, *steps) == plan(TABLE)


def test_repairing_twice_tests_once_unless_something_came_between() -> None:
    assert plan(PARCELS, {"op": "repair"}, {"op": "repair"}).stages[0].checks == plan(PARCELS, {"op": "repair"}).stages[0].checks
    again = plan(PARCELS, {"op": "repair"}, {"op": "reproject", "crs": "EPSG:4326"}, {"op": "repair"})
    slots = [counter.slot for counter in again.stages[0].counters]
    repair = ["repaired", "counts.collapsed", "counts.kept_as_3d"]
    assert slots == ["absent", *repair, "counts.closed_over_pole", "counts.split_at_antimeridian", *repair]


def test_columns_are_renamed_and_reported() -> None:
    made = plan(PARCELS, {"op": "rename", "columns": {"id": "Kind", "Kind": "id"}}, {"op": "rename", "columns": {"id": "what"}})
    assert made.relation.names == ("Kind", "what", "height", "built", "flag", "tags")
    assert made.relation.column("what") == Column(name="what", type="string")
    assert made.renamed == {"id": "Kind", "Kind": "what"}
    assert plan(PARCELS, {"op": "rename", "columns": {"id": "x"}}, {"op": "rename", "columns": {"x": "id"}}).renamed == {}


def test_columns_left_out_are_counted() -> None:
    assert plan(PARCELS, {"op": "select", "without": ["tags", "flag"]}).constants == {"columns_dropped": 2}
    made = plan(PARCELS, {"op": "select", "columns": ["height", "id"]})
    assert made.relation.names == ("height", "id")
    assert made.constants == {"columns_dropped": 4}


def test_only_a_step_that_must_see_all_rows_begins_a_stage() -> None:
    made = plan(PARCELS, {"op": "repair"}, {"op": "dissolve", "by": ["Kind"]}, {"op": "explode"}, {"op": "dissolve"})
    assert [(stage.source, stage.target) for stage in made.stages] == [
        ("raw_data", "stage_1"),
        ("stage_1", "stage_2"),
        ("stage_2", "processed"),
    ]
    assert len(plan(PARCELS, {"op": "repair"}, {"op": "explode"}, {"op": "clip", "bbox": [0, 0, 1, 1]}).stages) == 1


def test_what_is_read_and_what_is_passed_through() -> None:
    made = plan(
        PARCELS,
        {"op": "rename", "columns": {"id": "Kind", "Kind": "id"}},
        {"op": "filter", "condition": {"column": "id", "op": "eq", "value": "a"}},
        {"op": "cast", "columns": {"height": "string", "built": "date"}},
        {"op": "explode"},
        {"op": "select", "without": ["flag"]},
    )
    assert made.read == {"Kind", "height"}
    assert made.passthrough == {"Kind": "id", "id": "Kind", "built": "built", "tags": "tags"}
    dissolved = plan(
        PARCELS, {"op": "repair"}, {"op": "dissolve", "by": ["Kind"], "aggregate": {"n": {"op": "sum", "column": "id"}}}
    )
    assert dissolved.read == {"Kind", "id"}
    assert dissolved.passthrough == {}
    assert Registry().recipes["default"].plan(PARCELS, PostGis(), look_up).read == set()


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_plan_can_do_without_what_no_step_reads(dialect: Dialect) -> None:
    steps = recipe(
        {"op": "rename", "columns": {"id": "number"}},
        {"op": "filter", "condition": {"column": "height", "op": "gt", "value": 2}},
        {"op": "explode"},
    )
    whole = steps.plan(PARCELS, dialect, look_up)
    narrow = steps.plan(PARCELS, dialect, look_up, not_loaded=set(PARCELS.names) - whole.read)
    assert dialect.identifier("number") in whole.stages[0].select
    for name in {"number", *PARCELS.names} - {"height"}:
        assert dialect.identifier(name) not in narrow.stages[0].select
    assert dialect.identifier("height") in narrow.stages[0].select
    assert replace(narrow, stages=()) == replace(whole, stages=()), "the result has them all the same"


def test_audits_become_changes() -> None:
    steps = [{"op": "repair"}, {"op": "filter", "condition": {"column": "id", "op": "gt", "value": 1}}]
    steps += [{"op": "filter", "condition": {"column": "id", "op": "lt", "value": 9}}]
    made = recipe(*steps).plan(PARCELS, DuckDb())
    slots = [counter.slot for counter in made.stages[0].counters]
    assert slots == ["repaired", "counts.collapsed", "counts.kept_as_3d", "dropped.filter", "dropped.filter#2"]
    assert [check.code for check in made.stages[0].checks] == ["collapsed", "broken_surface", "irreparable"]
    audit = [3, 0, 0, 2, 0, 0, None, 0, None, 0, None]
    changes = made.changes([audit], str, 9)
    assert made.warnings([audit], str, 9) == ()
    assert changes.model_dump() == {
        "repaired": 3, "linearized": 0, "dropped": {"filter": 2}, "renamed": {}, "counts": {}
    }  # fmt: skip
    with pytest.raises(Rejected) as caught:
        made.changes([[*audit[:-2], 2, 41]], lambda row: f"feature {row + 1}", 99)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("irreparable", "feature 42")
    assert "(and 1 more)" in problem.message


def test_a_warning_rejects_nothing() -> None:
    made = recipe({"op": "repair"}).plan(PARCELS, DuckDb())
    audit = [3, 2, 0, 2, 6, 0, None, 0, None]
    assert made.changes([audit], str, 9).counts == {"collapsed": 2}
    (warning,) = made.warnings([audit], lambda row: f"feature {row + 1}", 9)
    assert (warning.code, warning.where) == ("collapsed", "feature 7")
    assert "(and 1 more)" in warning.message


def refused(relation: Relation, *steps: dict[str, object]) -> list[tuple[str, str]]:
    with pytest.raises(Rejected) as caught:
        plan(relation, *steps)
    assert {problem.where for problem in caught.value.problems} == {f"recipe step {len(steps)} ({steps[-1]['op']})"}
    return [(problem.code, f"{problem.message} {problem.remedy}") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        ({"op": "reproject", "crs": "EPSG:99"}, "unknown_crs", "EPSG:99 is no CRS"),
        ({"op": "select", "columns": ["kind"]}, "unknown_column", "Did you mean 'Kind'?"),
        ({"op": "rename", "columns": {"id": "geom"}}, "column_name_taken", "'geom' is the geometry"),
        ({"op": "rename", "columns": {"id": "KIND"}}, "column_name_taken", "'KIND' and 'Kind'"),
        ({"op": "rename", "columns": {"id": "_ETL_x"}}, "column_name_taken", "'_etl_'"),
        ({"op": "cast", "columns": {"tags": "date"}}, "cannot_cast", "'tags' (list<item: string>) cannot become date"),
        ({"op": "cast", "columns": {"built": "int32"}}, "cannot_cast", "'built'"),
        ({"op": "filter", "condition": {"column": "x", "op": "is_null"}}, "bad_condition", "There is no column 'x'"),
        ({"op": "filter", "condition": {"column": "id", "op": "eq", "value": "1"}}, "bad_condition", "give a whole number"),
        ({"op": "filter", "condition": {"column": "id", "op": "eq", "value": 1.5}}, "bad_condition", "whole number"),
        ({"op": "filter", "condition": {"column": "id", "op": "eq", "value": True}}, "bad_condition", "whole number"),
        ({"op": "filter", "condition": {"column": "Kind", "op": "eq", "value": 1}}, "bad_condition", "give a text"),
        ({"op": "filter", "condition": {"column": "built", "op": "eq", "value": "31.1.2024"}}, "bad_condition", "'2024-01-31'"),
        ({"op": "filter", "condition": {"column": "height", "op": "eq", "value": 10**400}}, "bad_condition", "too large"),
        ({"op": "filter", "condition": {"column": "flag", "op": "lt", "value": True}}, "bad_condition", "no 'lt'"),
        ({"op": "filter", "condition": {"column": "id", "op": "like", "value": "1%"}}, "bad_condition", "is for text"),
        ({"op": "filter", "condition": {"column": "Kind", "op": "like", "value": "a\\"}}, "bad_condition", "backslash"),
        ({"op": "filter", "condition": {"column": "tags", "op": "eq", "value": "a"}}, "bad_condition", "cannot be compared"),
        ({"op": "simplify", "tolerance": {"value": 1, "unit": "m"}}, "repair_needed", "'repair'"),
        ({"op": "simplify", "tolerance": {"value": 1, "unit": "deg"}}, "wrong_unit", "1 deg is an angle"),
        ({"op": "set_precision", "grid": {"value": 1, "unit": "deg"}}, "wrong_unit", "reproject before this step"),
        ({"op": "clip", "bbox": [0, 0, 1, 1]}, "repair_needed", "'repair'"),
        ({"op": "dissolve"}, "repair_needed", "'repair'"),
    ],
    ids=lambda value: str(value)[:100],
)
def test_what_a_relation_does_not_allow(step: dict[str, object], code: str, words: str) -> None:
    ((found, text),) = refused(PARCELS, step)
    assert found == code
    assert words in text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_that_utc_has_no_date_for_is_refused(moment: str) -> None:
    relation = TABLE.model_copy(update={"columns": (Column(name="seen", type="timestamp[us, tz=UTC]"),)})
    ((code, text),) = refused(relation, {"op": "filter", "condition": {"column": "seen", "op": "ge", "value": moment}})
    assert code == "bad_condition"
    assert "in UTC it lies before the year 1 or after 9999" in text


def test_metres_on_a_geographic_crs_are_refused() -> None:
    relation = PARCELS.model_copy(update={"crs": "EPSG:4326"})
    ((code, text),) = refused(relation, {"op": "repair"}, {"op": "simplify", "tolerance": {"value": 5, "unit": "m"}})
    assert code == "wrong_unit"
    assert "5 m is a length, but the CRS has an angle" in text


LOCAL = PARCELS.model_copy(update={"crs": None})


def test_coordinates_without_a_crs_are_left_alone_by_the_default_reprojection() -> None:
    steps = [{"op": "reproject", "crs": "EPSG:4326"}, {"op": "repair"}]
    for dialect in DIALECTS:
        made = recipe(*steps).plan(LOCAL, dialect)
        assert made.relation.crs is None
        assert not re.search(TRANSFORM, "".join(stage.select for stage in made.stages))
    grid = {"op": "set_precision", "grid": {"value": 0.5, "unit": "crs"}}
    assert "0.5" in plan(LOCAL, *steps, grid).stages[0].select


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        ({"op": "reproject", "crs": "EPSG:3857"}, "missing_crs", "The coordinates are local"),
        ({"op": "clip", "bbox": [0, 0, 1, 1]}, "missing_crs", "'keep_crs'"),
        ({"op": "simplify", "tolerance": {"value": 5, "unit": "m"}}, "wrong_unit", '{"value": 5, "unit": "crs"}'),
        ({"op": "set_precision", "grid": {"value": 5, "unit": "deg"}}, "wrong_unit", "The grid is 5 deg"),
    ],
    ids=str,
)
def test_what_needs_a_crs(step: dict[str, object], code: str, words: str) -> None:
    ((found, text),) = refused(LOCAL, {"op": "repair"}, step)
    assert (found, words in text) == (code, True)


def test_dissolving_names_all_that_does_not_fit() -> None:
    repair = {"op": "repair"}
    aggregate = {"a": {"op": "sum", "column": "Kind"}, "b": {"op": "max", "column": "flag"}, "c": {"op": "count"}}
    assert [code for code, _ in refused(PARCELS, repair, {"op": "dissolve", "aggregate": aggregate})] == ["cannot_aggregate"] * 2
    taken = {"kind": {"op": "count"}}
    assert refused(PARCELS, repair, {"op": "dissolve", "by": ["Kind"], "aggregate": taken})[0][0] == "column_name_taken"
    assert [code for code, _ in refused(PARCELS, repair, {"op": "dissolve", "by": ["x", "y"]})] == ["unknown_column"] * 2


@pytest.mark.parametrize("step", [{"op": "clip", "bbox": [0, 0, 1, 1]}, {"op": "explode"}, {"op": "dissolve"}], ids=str)
def test_a_table_has_nothing_to_cut_or_unite(step: dict[str, object]) -> None:
    assert refused(TABLE, step)[0][0] == "no_geometry"


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_quoting_ends_where_the_quoted_ends(dialect: Dialect, text: str) -> None:
    mark = dialect.identifier("x")[0]
    for quoted, quote in ((dialect.text(text), "'"), (dialect.identifier(text), mark)):
        assert re.fullmatch(f"{quote}((?:[^{quote}]|{quote}{quote})*){quote}", quoted)
        assert quoted[1:-1].replace(quote * 2, quote) == (dialect.engine_name(text) if quote == mark else text)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_nul_character_is_never_written(dialect: Dialect) -> None:
    with pytest.raises(ValueError, match="NUL"):
        dialect.text("a\0b")
    with pytest.raises(Rejected, match="NUL"):
        recipe({"op": "filter", "condition": {"column": "Kind", "op": "eq", "value": "a\0"}}).plan(PARCELS, dialect)
