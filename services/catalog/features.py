"""Features of a lake file as GeoJSON: DuckDB finds the rows by the ``bbox`` column, PROJ gives the longitudes and latitudes."""

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from libs.column_names import BBOX, GEOMETRY, RESERVED_PREFIX
from libs.models import Asset, BBox
from libs.spatial_utils.crs import UnknownCrs, transformed
from services.catalog.local import LocalFiles

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

CRS84 = "OGC:CRS84"
_LON_LAT = {CRS84, "EPSG:4326"}
LARGEST = 32 * 1024 * 1024
"""Bytes of the features of one page. A page of larger features is shorter than what was asked for, and links to the next one."""
_ROWS = 1_000
"""Rows that are turned into GeoJSON at once."""
_EDGE = 21
"""Points of a side of a bounding box that is transformed: sides of a box in one CRS are curves in another."""
ROW = f"{RESERVED_PREFIX}row"
_ROWS_OF_FILE = f"SELECT *, file_row_number AS {ROW} FROM read_parquet(?, file_row_number = true)"
_ROWS_COUNTED = f"SELECT *, row_number() OVER () - 1 AS {ROW} FROM read_parquet(?)"
"""For a file with a column of DuckDB's name: slower, since all rows before are counted."""


class NotTransformable(Exception):  # noqa: N818 - what it is
    """A feature has no longitude and latitude."""


@dataclass(frozen=True)
class Question:
    """Which features are wanted.

    Attributes:
        start: Number of the first row that is looked at, from 0 in the dataset.
        limit: Features, at most.
        bbox: Longitudes and latitudes that they touch; its west may lie east of its east: it crosses 180°.
        since: Least moment, ISO 8601.
        until: Greatest moment.
    """

    start: int = 0
    limit: int = 10
    bbox: BBox | None = None
    since: str | None = None
    until: str | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves out features by what they are."""
        return self.bbox is not None or self.since is not None or self.until is not None


@dataclass(frozen=True)
class Page:
    """Features, each as a GeoJSON text, and the row with which the next page begins; None when this is the last one."""

    features: list[str]
    following: int | None


def time_column(asset: Asset) -> str | None:
    """The column that a moment is compared with: the first one of dates or timestamps."""
    return next((field.name for field in asset.table_schema if field.type.startswith(("date", "timestamp"))), None)


def is_lon_lat(crs: str) -> bool:
    """Whether coordinates are longitudes and latitudes of WGS 84. The first one is the longitude, always."""
    return crs in _LON_LAT


@lru_cache(maxsize=65_536)
def extent(crs: str | None, bbox: BBox | None) -> BBox | None:
    """An extent as longitudes and latitudes; None where it has none: local coordinates, an empty layer."""
    return None if crs is None or bbox is None else _boxed(crs, CRS84, bbox)


def is_served(asset: Asset) -> bool:
    """Whether its features can be given as GeoJSON: a layer, empty or with an extent on the earth."""
    return asset.has_geometry and asset.crs is not None and (asset.bbox is None or extent(asset.crs, asset.bbox) is not None)


def is_mapped(asset: Asset) -> bool:
    """Whether there is a map of a version: some of its features have places on the earth."""
    return is_served(asset) and asset.bbox is not None


class Features:
    """Queries on lake files.

    Args:
        files: Where their local files are. Nothing else is opened.
        memory_mb: For DuckDB.
    """

    def __init__(self, files: LocalFiles, memory_mb: int = 512) -> None:
        import duckdb

        self._files = files
        self._database = duckdb.connect(config={"memory_limit": f"{memory_mb}MB", "threads": 2, "temp_directory": ""})
        self._database.execute("SET GLOBAL enable_geoparquet_conversion = false")  # WKB as it is: no extension is needed
        self._database.execute("SET GLOBAL TimeZone = 'UTC'")
        self._database.execute("SET enable_object_cache = true")
        self._database.execute(f"SET allowed_directories = ['{str(files.folder).replace(chr(39), chr(39) * 2)}/']")
        self._database.execute("SET enable_external_access = false")
        self._database.execute("SET lock_configuration = true")

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()

    def page(self, asset: Asset, question: Question, largest: int = LARGEST) -> Page:
        """Features in the order of their rows.

        Raises:
            NotTransformable: when one of them has no place on the earth.
            ObjectMissing, ObjectRefused: when a file cannot be read.
        """
        found: list[str] = []
        size = 0
        for row, feature in self._rows(asset, question):
            if len(found) == question.limit or size > largest:
                return Page(found, row)
            found.append(feature)
            size += len(feature)
        return Page(found, None)

    def one(self, asset: Asset, row: int) -> str | None:
        """The feature in a row; None when there is none."""
        if not 0 <= row < (asset.features or 0):
            return None
        return next((feature for at, feature in self._rows(asset, Question(start=row, limit=1)) if at == row), None)

    def values(self, asset: Asset, row: int) -> dict[str, Any] | None:
        """The attributes of the feature in a row; None when there is none."""
        for file in asset.data:
            if 0 <= row < (file.features or 0):
                cursor = self._database.cursor()
                try:
                    path = str(self._files.path(file))
                    for batch in self._selected(cursor, asset, path, Question(), row, 1):
                        (found,) = batch.drop_columns([ROW, *({GEOMETRY} & {*batch.schema.names})]).to_pylist()
                        return dict(found)
                finally:
                    cursor.close()
            row -= file.features or 0
        return None

    def count(self, asset: Asset, condition: str) -> int:
        """How many rows meet a condition (SQL)."""
        source, paths = self._every_row(asset)
        cursor = self._database.cursor()
        try:
            ((count,),) = cursor.execute(f"SELECT count(*) FROM ({source}) WHERE {condition}", paths).fetchall()
        finally:
            cursor.close()
        return int(count)

    def rows(
        self, asset: Asset, names: Sequence[str], condition: str | None, sort: str, page: int, size: int, *, is_falling: bool
    ) -> list[tuple[Any, ...]]:
        """A page of rows: the number of each, and its values.

        Args:
            asset: The version.
            names: Of its columns.
            condition: That they meet (SQL); None for all.
            sort: Column by which they are in order; empty for the order of the file.
            page: From 1.
            size: Rows of a page.
            is_falling: Whether the greatest value comes first. Missing ones come last.
        """
        types = {field.name: field.type for field in asset.table_schema}
        source, paths = self._every_row(asset)
        columns = ", ".join([ROW, *(_expression(name, types[name]) for name in names)])
        order = f"{quoted(sort)} {'DESC' if is_falling else 'ASC'} NULLS LAST, {ROW}" if sort else ROW
        where = (
            f"({condition})" if condition else f"{ROW} >= {(page - 1) * size} AND {ROW} < {page * size}" if not sort else "true"
        )
        offset = 0 if not condition and not sort else (page - 1) * size
        # The rows are found first, by what is looked at; then the values of these are read.
        found = f"SELECT {ROW} AS at FROM ({source}) WHERE {where} ORDER BY {order} LIMIT {size} OFFSET {offset}"
        cursor = self._database.cursor()
        try:
            numbers = [number for (number,) in cursor.execute(found, paths).fetchall()]
            if not numbers:
                return []
            listed = ", ".join(map(str, numbers))
            read = cursor.execute(f"SELECT {columns} FROM ({source}) WHERE {ROW} IN ({listed})", paths).to_arrow_table()
        finally:
            cursor.close()
        values = {row[0]: row for row in zip(*(column.to_pylist() for column in read.columns), strict=True)}
        return [values[number] for number in numbers]

    def _every_row(self, asset: Asset) -> tuple[str, list[str]]:
        """SQL for all rows of a version, each with its number, and the paths that are its parameters."""
        parts, first = [], 0
        for file in asset.data:
            parts.append(f"SELECT * REPLACE ({ROW} + {first} AS {ROW}) FROM ({numbered_rows(asset)})")
            first += file.features or 0
        return " UNION ALL ".join(parts), [str(self._files.path(file)) for file in asset.data]

    def _rows(self, asset: Asset, question: Question) -> Iterator[tuple[int, str]]:
        """Numbers and features of the rows that match, one more than are wanted."""
        first, wanted = 0, question.limit + 1
        for file in asset.data:
            rows = file.features or 0
            begin, is_all = max(0, question.start - first), False
            while wanted > 0 and begin < rows and not is_all:
                asked, count = wanted, 0
                cursor = self._database.cursor()
                try:
                    for batch in self._selected(cursor, asset, str(self._files.path(file)), question, begin, asked):
                        for row, feature in _features(batch, asset, question.bbox, first):
                            wanted -= 1
                            yield row, feature
                        count, begin = count + batch.num_rows, batch.column(ROW)[-1].as_py() + 1
                finally:
                    cursor.close()
                is_all = count < asked  # the boxes of some rows matched and their shapes did not: there may be more behind them
            first += rows

    def _selected(
        self, cursor: "duckdb.DuckDBPyConnection", asset: Asset, path: str, question: Question, begin: int, wanted: int
    ) -> Iterator["pa.RecordBatch"]:
        """Rows of a file whose boxes and times match, from one on."""
        columns = ", ".join(_expression(field.name, field.type) for field in asset.table_schema if field.name != BBOX)
        conditions, values = [f"{ROW} >= ?"], [path, begin]
        if not question.is_filtered:
            conditions.append(f"{ROW} < ?")
            values.append(begin + wanted)
        if question.bbox is not None:
            boxes = [box for part in parts_of(question.bbox) if (box := within(asset, part))]
            conditions.append(
                "("
                + " OR ".join([f"({BBOX}.xmax >= ? AND {BBOX}.ymax >= ? AND {BBOX}.xmin <= ? AND {BBOX}.ymin <= ?)"] * len(boxes))
                + ")"
                if boxes
                else "false"
            )
            values += [side for box in boxes for side in box]
        column = time_column(asset)
        if column is not None:
            value = quoted(column)
            for moment, compared in ((question.since, ">="), (question.until, "<=")):
                if moment is not None:
                    conditions.append(f"{value}::TIMESTAMPTZ {compared} ?::TIMESTAMPTZ")
                    values.append(moment)
        where = f"WHERE {' AND '.join(conditions)} ORDER BY {ROW} LIMIT {wanted}"
        sql = f"SELECT {columns}, {ROW} FROM ({numbered_rows(asset)}) {where}"
        yield from (batch for batch in cursor.execute(sql, values).to_arrow_reader(_ROWS) if batch.num_rows)


def _features(batch: "pa.RecordBatch", asset: Asset, bbox: BBox | None, first: int) -> Iterator[tuple[int, str]]:
    """Rows as GeoJSON, those left out that do not touch the box."""
    import shapely

    shapes = shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False))
    shapes = _on_earth(shapely.force_2d(shapes) if shapely.has_m(shapes).any() else shapes, asset.crs or CRS84)
    touching = np.ones(len(shapes), dtype=bool)
    if bbox is not None:
        touching = np.logical_or.reduce([shapely.intersects(shapes, shapely.box(*part)) for part in parts_of(bbox)])
    texts = shapely.to_geojson(shapes)
    names = [name for name in batch.schema.names if name not in {GEOMETRY, ROW}]
    columns = [batch.column(name).to_pylist() for name in names]
    for at, row in enumerate(batch.column(ROW).to_pylist()):
        if touching[at]:
            properties = dict(zip(names, (column[at] for column in columns), strict=True))
            number = first + row
            yield (
                number,
                f'{{"type":"Feature","id":{number},"geometry":{texts[at] or "null"},"properties":{_json(properties)}}}',
            )


def _on_earth(shapes: Any, crs: str) -> Any:
    """Shapes with longitudes and latitudes; heights stay.

    Raises:
        NotTransformable: when one of them has none.
    """
    import shapely

    if is_lon_lat(crs):
        return shapes

    def turned(points: Any) -> Any:
        x, y = transformed(crs, CRS84, points[:, :2])
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise NotTransformable
        return np.column_stack([x, y, *points.T[2:]])

    result = shapes.copy()
    high = shapely.has_z(shapes)
    for which, include_z in ((high, True), (~high & ~shapely.is_missing(shapes), False)):
        if which.any():
            result[which] = shapely.transform(shapes[which], turned, include_z=include_z)
    return result


def parts_of(bbox: BBox) -> list[BBox]:
    """A box, in two where it crosses 180°."""
    west, south, east, north = bbox
    return [bbox] if west <= east else [(west, south, 180.0, north), (-180.0, south, east, north)]


def within(asset: Asset, part: BBox) -> BBox | None:
    """What of a box lies in the extent of a version, in its CRS and a little larger; None for nothing."""
    whole = extent(asset.crs, asset.bbox)
    if whole is None or asset.bbox is None or asset.crs is None:
        return None
    west, south, east, north = (*map(max, part[:2], whole[:2]), *map(min, part[2:], whole[2:]))
    if west > east or south > north:
        return None
    if is_lon_lat(asset.crs):
        return west, south, east, north
    return _boxed(CRS84, asset.crs, (west, south, east, north)) or asset.bbox


def _boxed(source: str, target: str, bbox: BBox) -> BBox | None:
    """The box in another CRS around a box, a little larger; None where a part of its edge has no place there."""
    if source == target or {source, target} == _LON_LAT:
        return bbox
    xs, ys = np.linspace(bbox[0], bbox[2], _EDGE), np.linspace(bbox[1], bbox[3], _EDGE)
    grid = np.column_stack([each.ravel() for each in np.meshgrid(xs, ys)])
    try:
        x, y = transformed(source, target, grid)
    except UnknownCrs:
        return None
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    margin_x, margin_y = (np.ptp(each) / _EDGE**2 + 1e-9 for each in (x, y))
    west, south, east, north = x.min() - margin_x, y.min() - margin_y, x.max() + margin_x, y.max() + margin_y
    if target == CRS84:
        west, south, east, north = max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0)
    return float(west), float(south), float(east), float(north)


def numbered_rows(asset: Asset) -> str:
    """SQL for the rows of a file, whose path is its one parameter, each with its number from 0 in ``_etl_row``."""
    is_taken = any(field.name.lower() == "file_row_number" for field in asset.table_schema)
    return _ROWS_COUNTED if is_taken else _ROWS_OF_FILE


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def time_as_text(name: str, kind: str) -> str | None:
    """A column of times as text, in SQL: not every one of them is a time in Python. None for other columns."""
    column = quoted(name)
    if kind.startswith("timestamp"):
        text = f"replace({column}::VARCHAR, ' ', 'T')"
        return f"regexp_replace({text}, '\\+00$', 'Z')" if "tz=" in kind else text
    return f"{column}::VARCHAR" if kind.startswith(("date", "time", "duration", "month")) else None


def _expression(name: str, kind: str) -> str:
    """A column as it is asked for."""
    text = time_as_text(name, kind)
    return f"{text} AS {quoted(name)}" if text else quoted(name)


def as_text(value: Any) -> str:
    """A value as it is to be read; nothing for none."""
    if value is None or isinstance(value, str):
        return value or ""
    return str(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else _json(value)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:  # NaN and infinity, which JSON does not have
        return json.dumps(_finite(value), default=_plain, ensure_ascii=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return str(value)
