"""What is different between two versions of a dataset, feature by feature, in any order. DuckDB compares, and spills."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from libs.column_names import BBOX, GEOMETRY
from libs.compute.exporting.columns import quoted
from libs.compute.exporting.formats import kind_of
from libs.compute.type_mapping import restored
from libs.models import Rejected

if TYPE_CHECKING:
    import duckdb

CHANGE, COLUMNS = "change", "changed_columns"
"""What a difference has beside the columns of the dataset: ``added``, ``removed`` or ``changed``, and which columns changed."""
_ROWS = 16_384


@dataclass(frozen=True)
class Side:
    """A version, as files.

    Attributes:
        name: For problems.
        files: GeoParquet of one schema.
    """

    name: str
    files: Sequence[Path]

    @cached_property
    def schema(self) -> pa.Schema:
        """Of the files."""
        return pq.read_schema(self.files[0]).remove_metadata()

    @property
    def rows(self) -> str:
        """All rows, in SQL."""
        listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in self.files)
        return f"read_parquet([{listed}])"


@dataclass(frozen=True)
class VersionPair:
    """Two versions that are compared.

    Attributes:
        old: The one.
        new: The other.
        key: A column that tells which feature is which; None: whole features are compared, and none is ``changed``.
    """

    old: Side
    new: Side
    key: str | None

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """The columns that both have in the same type, in the order of the new version, ``geom`` among them.

        A type that DuckDB would change as it reads is left out, too.
        """
        types = dict(zip(self.old.schema.names, self.old.schema.types, strict=True))
        return tuple(
            item.name for item in self.new.schema
            if item.name != BBOX and types.get(item.name) == item.type and kind_of(item.type) is not None
        )  # fmt: skip

    @property
    def schema(self) -> pa.Schema:
        """Of the difference: ``change``, ``changed_columns``, the columns that are compared, and the extent of a layer."""
        own = [pa.field(CHANGE, pa.string()), pa.field(COLUMNS, pa.list_(pa.string()))]
        rest = [self.new.schema.field(name) for name in (*self.compared, *([BBOX] if self._has_extent else []))]
        return pa.schema([*own, *rest])

    def batches(self, database: "duckdb.DuckDBPyConnection") -> Iterator[pa.RecordBatch]:
        """The features that differ: of ``changed`` ones as they are in the new version. Sorted by what happened, then by key.

        Raises:
            Rejected: when the key is not there in both, in one type, or does not tell each feature from the others.
        """
        database.execute("SET enable_geoparquet_conversion = false")
        if self.key is not None:
            self._require_key(database, self.key)
        sql = self._by_content() if self.key is None else self._by_key(self.key)
        for batch in database.execute(sql).to_arrow_reader(_ROWS):
            yield restored(batch, self.schema)

    @property
    def _has_extent(self) -> bool:
        return GEOMETRY in self.compared and BBOX in self.old.schema.names and BBOX in self.new.schema.names

    @property
    def _carried(self) -> list[str]:
        return [*map(quoted, self.compared), *([BBOX] if self._has_extent else [])]

    def _by_content(self) -> str:
        columns = ", ".join(self._carried)
        new, old = (f"SELECT {columns}, {sign} AS _etl_side FROM {side.rows}" for sign, side in ((1, self.new), (-1, self.old)))
        both = f"{new} UNION ALL {old}"
        return (
            f"SELECT CASE WHEN _etl_sum > 0 THEN 'added' ELSE 'removed' END AS {CHANGE}, []::VARCHAR[] AS {COLUMNS}, {columns} "
            f"FROM (SELECT {columns}, sum(_etl_side) AS _etl_sum FROM ({both}) GROUP BY {columns} HAVING _etl_sum <> 0), "
            f"unnest(range(abs(_etl_sum)::BIGINT)) ORDER BY ALL"
        )

    def _by_key(self, key: str) -> str:
        name = quoted(key)
        differs = {column: f"o.{quoted(column)} IS DISTINCT FROM n.{quoted(column)}" for column in self.compared}
        changed = ", ".join(
            "CASE WHEN " + each + " THEN '" + column.replace("'", "''") + "' END" for column, each in differs.items()
        )
        values = ", ".join(
            f"CASE WHEN n.{name} IS NULL THEN o.{column} ELSE n.{column} END AS {column}" for column in self._carried
        )
        both = f"o.{name} IS NOT NULL AND n.{name} IS NOT NULL"
        return (
            f"SELECT CASE WHEN o.{name} IS NULL THEN 'added' WHEN n.{name} IS NULL THEN 'removed' ELSE 'changed' END "
            f"AS {CHANGE}, "
            f"CASE WHEN {both} THEN list_filter([{changed}], lambda each: each IS NOT NULL) ELSE []::VARCHAR[] END "
            f"AS {COLUMNS}, "
            f"{values} FROM {self.old.rows} AS o FULL JOIN {self.new.rows} AS n ON o.{name} = n.{name} "
            f"WHERE {' OR '.join([f'o.{name} IS NULL', f'n.{name} IS NULL', *differs.values()])} "
            f"ORDER BY 1, coalesce(n.{name}, o.{name})"
        )

    def _require_key(self, database: "duckdb.DuckDBPyConnection", key: str) -> None:
        if key not in self.compared or key == GEOMETRY:
            names = ", ".join(name for name in self.compared if name != GEOMETRY)
            raise Rejected.because("unknown_column", f"column {key!r}", "It is not a column of both versions, in one type.",
                                   f"Name one of {names}.")  # fmt: skip
        for side in (self.old, self.new):
            missing, example, count = database.execute(
                f"SELECT coalesce(sum(_etl_n) FILTER (WHERE {quoted(key)} IS NULL), 0), min(CAST({quoted(key)} AS VARCHAR)) "
                f"FILTER (WHERE _etl_n > 1), count({quoted(key)}) FILTER (WHERE _etl_n > 1) "
                f"FROM (SELECT {quoted(key)}, count(*) AS _etl_n FROM {side.rows} GROUP BY {quoted(key)})"
            ).fetchall()[0]
            if missing or count:
                found = [
                    *([f"{missing:,} features have no value"] if missing else []),
                    *([f"{count:,} values stand more than once, such as {example!r}"] if count else []),
                ]
                raise Rejected.because(
                    "diff_key_not_unique",
                    f"{side.name}: column {key!r}",
                    f"It does not tell features apart: {'; '.join(found)}.",
                    "Name another column, or none: then whole features are compared.",
                )
