"""PostGIS 3.3 on PostgreSQL 15."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence

from typing_extensions import override

from libs.models import BBox
from libs.transformations.antimeridian import split_functions
from libs.transformations.dialect import NANOSECONDS_A_DAY, Dialect

_TYPES = {
    "bool": "boolean", "int32": "integer", "int64": "bigint", "float": "real", "double": "double precision", "decimal": "numeric",
    "string": "text", "date": "date", "timestamp": "timestamp", "timestamp_utc": "timestamp with time zone",
}  # fmt: skip

_SYSTEM_COLUMNS = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
LONGEST_NAME = 63
"""Bytes of a name."""


def epsg_code(crs: str) -> int | None:
    """The SRID that a fresh ``spatial_ref_sys`` has for a CRS."""
    match = re.fullmatch(r"EPSG:([0-9]+)", crs)
    return int(match[1]) if match else None


class PostGis(Dialect):
    """PostGIS's spelling. Geometries have no SRID, in ``raw_data`` as everywhere between steps.

    Args:
        srid_of: The SRID of a CRS (authority code or WKT) in ``spatial_ref_sys``; None where it has none.

    Attributes:
        functions: Statements that create what its expressions call, by name of the function.
    """

    name = "postgis"
    # Its planner does not merge a SELECT with a volatile function into the one around it, yet lets parallel workers do it all:
    # unlike one with OFFSET 0, or in a WITH clause. What returns sets would be a fence, too, and cost a microsecond a row; of
    # the volatile functions that workers may call, this is the cheapest.
    fence = "pg_is_in_recovery() AS _etl_fence"
    nests = True
    guarded = False
    """Whether what PostGIS raises is caught."""

    def __init__(self, srid_of: Callable[[str], int | None] = epsg_code) -> None:
        self._srid_of = srid_of
        self.functions: dict[str, list[str]] = {}

    @override
    def engine_name(self, name: str) -> str:
        # It cuts off long names, and has columns of its own in every table.
        if len(name.encode()) <= LONGEST_NAME and name not in _SYSTEM_COLUMNS:
            return name
        return f"_etl_as_{hashlib.sha256(name.encode()).hexdigest()[:32]}"

    @override
    def source_geometry(self, geometry: str) -> str:
        return geometry

    @override
    def transform(self, geometry: str, source: str, target: str) -> str:
        # It keeps prepared projections by SRID only: by text, it takes 200 times as long (measured: 150 us a point).
        source_id, target_id = self._srid_of(source), self._srid_of(target)
        if source_id is None or target_id is None:
            return f"ST_SetSRID(ST_Transform({geometry}, {self.text(source)}, {self.text(target)}), 0)"
        return f"ST_SetSRID(ST_Transform(ST_SetSRID({geometry}, {source_id}), {target_id}), 0)"

    @override
    def buffer(self, geometry: str, distance: float, quarter: int) -> str:
        return f"ST_Buffer({geometry}, {distance!r}, {quarter})"

    @override
    def area_on_earth(self, geometry: str) -> str:
        return f"ST_Area(CAST(ST_SetSRID({geometry}, 4326) AS geography))"

    @override
    def length_on_earth(self, geometry: str) -> str:
        return f"ST_Length(CAST(ST_SetSRID({geometry}, 4326) AS geography))"

    @override
    def perimeter_on_earth(self, geometry: str) -> str:
        return f"ST_Perimeter(CAST(ST_SetSRID({geometry}, 4326) AS geography))"

    @override
    def split(self, torn: str, before: str, crs: tuple[str, str], half: float, wide: float) -> str:
        function, created = split_functions(self.transform("ST_MakePoint(x, y)", *crs), guarded=self.guarded)
        self.functions[function] = created
        return f"{function}({torn}, {before}, {half!r}, {wide!r})"

    @override
    def box(self, geometry: str) -> str:
        return geometry  # it lies ready there, in single precision, never too small

    @override
    def side(self, box: str, which: str) -> str:
        return f"ST_{which[0].upper()}{which[1:].capitalize()}(Box2D({box}))"

    @override
    def in_one_half(self, box: str, half: float) -> str:
        # A tenth of the time that it takes to look at the sides.
        low, high, most = -half / 2 + 1, half / 2 - 1, half - 1
        halves = (f"BOX({-most!r} {low!r},0 {high!r})", f"BOX(0 {low!r},{most!r} {high!r})")
        return " OR ".join(f"{box} @ CAST(CAST('{each}' AS box2d) AS geometry)" for each in halves)

    @override
    def within(self, geometry: str, box: BBox) -> str:
        # By the extent that it keeps with the geometry, in single precision and somewhat larger.
        return f"{geometry} @ ST_MakeEnvelope({', '.join(map(repr, box))})"

    @override
    def make_valid(self, geometry: str) -> str:
        # Left alone, it leaves out vertices that are not finite numbers.
        return f"CASE WHEN {self.is_finite(geometry)} THEN ST_MakeValid({geometry}) END"

    @override
    def is_finite(self, geometry: str) -> str:
        return f"ST_AsText({geometry}) !~* 'nan|inf'"

    @override
    def has_z(self, geometry: str) -> str:
        return f"ST_Zmflag({geometry}) IN (2, 3)"

    @override
    def is_collection(self, geometry: str) -> str:
        return f"GeometryType({geometry}) = 'GEOMETRYCOLLECTION'"

    @override
    def type_name(self, geometry: str) -> str:
        return f"GeometryType({geometry})"

    @override
    def differs(self, one: str, other: str) -> str:
        return f"ST_AsEWKB({one}) IS DISTINCT FROM ST_AsEWKB({other})"

    @override
    def parts(self, geometry: str) -> str:
        parts = f"SELECT array_agg(part.geom ORDER BY part.path) FROM ST_Dump({geometry}) AS part"
        return f"coalesce(({parts}), ARRAY[{geometry}])"

    @override
    def judge_parts(
        self, geometry: str, measures: Mapping[str, str], part_class: str, verdict: Callable[[Callable[[int], str]], str]
    ) -> str:
        columns = ", ".join(f"{measure} AS {name}" for name, measure in measures.items())
        measured = f"(SELECT {columns} FROM ST_Dump({geometry}) AS part OFFSET 0) AS part"
        made = verdict(lambda number: f"count(*) FILTER (WHERE kind = {number})")
        return f"(SELECT {made} FROM (SELECT {part_class} AS kind FROM {measured} OFFSET 0) AS parts)"

    @override
    def cut_parts(self, geometry: str, area: str, *, away: bool = False) -> str:
        cut = f"SELECT path, {self.cut('geom', area, away=away)} AS geom FROM ST_Dump({geometry})"
        return f"(SELECT ST_Collect(part.geom ORDER BY part.path) FROM ({cut}) AS part WHERE NOT ST_IsEmpty(part.geom))"

    @override
    def union(self, geometry: str, order: str, condition: str) -> str:
        # It fails on a mixture of geometries with heights and without, before the step can say what is wrong.
        whole = self._without_empty_points(geometry)
        united = [
            f"ST_Union({whole} ORDER BY {order}) FILTER (WHERE {condition} AND {alike}{self.has_z(geometry)})"
            for alike in ("", "NOT ")
        ]
        return f"coalesce({', '.join(united)})"

    def _without_empty_points(self, geometry: str) -> str:
        # GEOS 3.11 unites a collection with an empty point, and no other, by reading where there is nothing: PostgreSQL goes
        # down with it, for everybody. Lines and polygons may be empty.
        empty = "ST_IsEmpty(part.geom) AND GeometryType(part.geom) = 'POINT'"
        parts = f"SELECT ST_Collect(part.geom ORDER BY part.path) FROM ST_Dump({geometry}) AS part WHERE NOT ({empty})"
        return f"CASE WHEN {self.is_collection(geometry)} THEN ({parts}) ELSE {geometry} END"

    @override
    def list_of(self, value: str, order: str) -> str:
        return f"array_agg({value} ORDER BY {order})"

    @override
    def for_each_row(self, before: str, keys: Sequence[str], table: str, condition: str, values: Mapping[str, str]) -> str:
        # For each row a look at the table's index.
        found = ", ".join(f"{value} AS {name}" for name, value in values.items())
        return f"LEFT JOIN LATERAL (SELECT {found} FROM {table} WHERE {condition}) AS found ON TRUE"

    @override
    def sum_of_doubles(self, value: str, order: str) -> str:
        # Its own aggregate raises when it is too large, and is made for every group, even in a branch that is not taken.
        return f"(SELECT sum(item) FROM unnest(array_agg({value} ORDER BY {order})) AS item)"

    @override
    def first(self, value: str, order: str, condition: str) -> str:
        return f"(array_agg({value} ORDER BY {order}) FILTER (WHERE {condition}))[1]"

    @override
    def cast(self, value: str, type_: str) -> str:
        return f"CAST({value} AS {_TYPES[type_]})"

    @override
    def matches(self, text: str, pattern: str) -> str:
        return f"{text} ~ {self.text(f'^({pattern})$')}"

    @override
    def nanoseconds(self, value: str) -> str:
        return value  # carried as the number: it has no such type

    @override
    def to_microseconds(self, value: str) -> str:
        # By days and the rest of one: an interval is multiplied as a double, which cannot count as far.
        days, rest = (f"({value} {sign} {NANOSECONDS_A_DAY})" for sign in "/%")
        return f"(TIMESTAMP 'epoch' + {days} * INTERVAL '1 day' + floor({rest} / 1000.0) * INTERVAL '1 microsecond')"

    @override
    def nanoseconds_as_text(self, value: str, *, of_day: bool) -> str:
        part = f"(({value} % 1000000000 + 1000000000) % 1000000000)"
        digits = f"CASE WHEN {part} = 0 THEN '' ELSE '.' || rtrim(lpad(CAST({part} AS text), 9, '0'), '0') END"
        whole = f"CAST(date_trunc('second', {self.to_microseconds(value)}) AS text)"
        return f"{f'substr({whole}, 12)' if of_day else whole} || {digits}"

    @override
    def text_to_double(self, text: str, pattern: str) -> str:
        number = f"abs(CAST({text} AS numeric))"
        whole = f"{number} BETWEEN 5e-324 AND 1.7976931348623157e308 OR {number} = 0"
        return f"CASE WHEN {self.matches(text, pattern)} THEN CASE WHEN {whole} THEN {self.cast(text, 'double')} END END"

    @override
    def by_code_point(self, text: str) -> str:
        return f'{text} COLLATE "C"'


class GuardedPostGis(PostGis):
    """PostGIS's spelling where a geometry may lie outside of a projection's domain, at which PostGIS raises: slower by far."""

    guarded = True

    @override
    def transform(self, geometry: str, source: str, target: str) -> str:
        attempt = super().transform("$1", source, target)
        name = f"_etl_transform_{hashlib.sha256(attempt.encode()).hexdigest()[:16]}"
        failed = "EXCEPTION WHEN OTHERS THEN RETURN ST_MakePoint('Infinity', 'Infinity')"
        body = self.text(f"BEGIN RETURN {attempt}; {failed}; END")
        self.functions[name] = [f"CREATE OR REPLACE FUNCTION {name}(geometry) RETURNS geometry LANGUAGE plpgsql AS {body}"]
        return f"{name}({geometry})"
