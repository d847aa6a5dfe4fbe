"""DuckDB with its spatial extension, 1.5."""

from collections.abc import Callable, Mapping, Sequence

from typing_extensions import override

from libs.models import BBox
from libs.transformations.dialect import Dialect

_TYPES = {
    "bool": "BOOLEAN", "int32": "INTEGER", "int64": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "decimal": "DECIMAL(38, 0)",
    "string": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP", "timestamp_utc": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip

SPLIT = "_etl_split"
"""Name of the function that the engine brings: of WKB, WKB, the numbers and the names of ``Dialect.split``."""


class DuckDb(Dialect):
    """DuckDB's spelling. ``raw_data.geom`` is WKB there: a view over Arrow, without a geometry type."""

    name = "duckdb"
    fence = ""  # its planner keeps the projections of chained SELECTs apart: a test holds that

    @override
    def source_geometry(self, geometry: str) -> str:
        return f"ST_GeomFromWKB({geometry})"

    @override
    def transform(self, geometry: str, source: str, target: str) -> str:
        return f"ST_Transform({geometry}, {self.text(source)}, {self.text(target)}, always_xy := true)"

    @override
    def buffer(self, geometry: str, distance: float, quarter: int) -> str:
        return f"ST_Buffer({geometry}, {distance!r}, {quarter})"

    @override
    def area_on_earth(self, geometry: str) -> str:
        return f"ST_Area_Spheroid(ST_FlipCoordinates({geometry}))"  # it takes latitudes first

    @override
    def length_on_earth(self, geometry: str) -> str:
        return f"ST_Length_Spheroid(ST_FlipCoordinates({geometry}))"

    @override
    def perimeter_on_earth(self, geometry: str) -> str:
        return f"ST_Perimeter_Spheroid(ST_FlipCoordinates({geometry}))"

    @override
    def split(self, torn: str, before: str, crs: tuple[str, str], half: float, wide: float) -> str:
        source, target = map(self.text, crs)
        return f"ST_GeomFromWKB({SPLIT}(ST_AsWKB({torn}), ST_AsWKB({before}), {half!r}, {wide!r}, {source}, {target}))"

    @override
    def box(self, geometry: str) -> str:
        # As a struct, because a BOX_2D does not give its sides.
        return f"CAST(ST_Extent({geometry}) AS STRUCT(min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE))"

    @override
    def side(self, box: str, which: str) -> str:
        return f"{box}.{which[1:]}_{which[0]}"

    @override
    def within(self, geometry: str, box: BBox) -> str:
        # As a struct, the same in all four places, the extent is computed once; by ST_XMin and so on four times.
        sides = f"CAST(ST_Extent({geometry}) AS STRUCT(min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE))"
        low = f"{sides}.min_x >= {box[0]!r} AND {sides}.min_y >= {box[1]!r}"
        return f"({low} AND {sides}.max_x <= {box[2]!r} AND {sides}.max_y <= {box[3]!r})"

    @override
    def make_valid(self, geometry: str) -> str:
        # It throws on coordinates that are not finite, which TRY makes NULL, and makes heights up where one is not.
        return f"CASE WHEN {self.is_finite(geometry)} THEN TRY(ST_MakeValid({geometry})) END"

    @override
    def is_finite(self, geometry: str) -> str:
        return f"NOT regexp_matches(ST_AsText({geometry}), '(?i)nan|inf')"

    @override
    def has_z(self, geometry: str) -> str:
        return f"ST_HasZ({geometry})"

    @override
    def has_finite_heights(self, geometry: str) -> str:
        # A third of the time that it takes to write them all down.
        finite = f"list_transform(ST_Dump(ST_Points({geometry})), lambda part: isfinite(ST_Z(part.geom)))"
        return f"coalesce(list_bool_and({finite}), true)"

    @override
    def is_collection(self, geometry: str) -> str:
        return f"ST_GeometryType({geometry}) = 'GEOMETRYCOLLECTION'"

    @override
    def type_name(self, geometry: str) -> str:
        return f"CAST(ST_GeometryType({geometry}) AS VARCHAR)"

    @override
    def differs(self, one: str, other: str) -> str:
        return f"{one} IS DISTINCT FROM {other}"

    @override
    def parts(self, geometry: str) -> str:
        return f"coalesce(nullif(list_transform(ST_Dump({geometry}), lambda part: part.geom), []), [{geometry}])"

    @override
    def judge_parts(
        self, geometry: str, measures: Mapping[str, str], part_class: str, verdict: Callable[[Callable[[int], str]], str]
    ) -> str:
        struct = ", ".join(f"'{name}': {measure}" for name, measure in measures.items())
        measured = f"list_transform(ST_Dump({geometry}), lambda part: {{{struct}}})"
        made = verdict(lambda number: f"len(list_filter(kinds, lambda kind: kind = {number}))")
        return f"list_transform([list_transform({measured}, lambda part: {part_class})], lambda kinds: {made})[1]"

    @override
    def cut_parts(self, geometry: str, area: str, *, away: bool = False) -> str:
        cut = f"list_transform(ST_Dump({geometry}), lambda part: {self.cut('part.geom', area, away=away)})"
        return f"ST_Collect(list_filter({cut}, lambda part: NOT ST_IsEmpty(part)))"

    @override
    def union(self, geometry: str, order: str, condition: str) -> str:
        return f"ST_Union_Agg({geometry} ORDER BY {order}) FILTER (WHERE {condition})"

    @override
    def list_of(self, value: str, order: str) -> str:
        return f"list({value} ORDER BY {order})"

    @override
    def for_each_row(self, before: str, keys: Sequence[str], table: str, condition: str, values: Mapping[str, str]) -> str:
        # As a join of its own, with nothing but the condition: only that becomes a spatial join, which has an R-tree.
        of_keys = [f"{before}.{key}" for key in keys]
        found = [f"{key} AS _etl_of_{number}" for number, key in enumerate(of_keys)]
        found += [f"{value} AS {name}" for name, value in values.items()]
        groups = f"FROM {before} INNER JOIN {table} ON {condition} GROUP BY {', '.join(of_keys)}"
        same = " AND ".join(f"_etl_of_{number} = {key}" for number, key in enumerate(of_keys))
        return f"LEFT JOIN (SELECT {', '.join(found)} {groups}) AS found ON {same}"

    @override
    def sum_of_doubles(self, value: str, order: str) -> str:
        return f"sum({value} ORDER BY {order})"

    @override
    def first(self, value: str, order: str, condition: str) -> str:
        return f"first({value} ORDER BY {order}) FILTER (WHERE {condition})"

    @override
    def cast(self, value: str, type_: str) -> str:
        return f"TRY_CAST({value} AS {_TYPES[type_]})"

    @override
    def matches(self, text: str, pattern: str) -> str:
        return f"regexp_full_match({text}, {self.text(pattern)})"

    @override
    def nanoseconds(self, value: str) -> str:
        return f"epoch_ns({value})"

    @override
    def to_microseconds(self, value: str) -> str:
        return self.cast(value, "timestamp")

    @override
    def nanoseconds_as_text(self, value: str, *, of_day: bool) -> str:
        return self.cast(value, "string")

    @override
    def text_to_double(self, text: str, pattern: str) -> str:
        # What is too large comes out infinite, what is too small as zero though it has a digit other than zero.
        number = self.cast(text, "double")
        whole = f"isfinite({number}) AND ({number} <> 0 OR NOT regexp_matches({text}, '^[^eE]*[1-9]'))"
        return f"CASE WHEN {self.matches(text, pattern)} THEN CASE WHEN {whole} THEN {number} END END"

    @override
    def by_code_point(self, text: str) -> str:
        return text
