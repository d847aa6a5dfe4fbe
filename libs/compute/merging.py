"""Merging what was delivered into the version before: append, upsert and delete by key. The same for every engine.

Rows pass in batches, from file to file. Only keys are held together, in a DuckDB of their own, which spills; of all other columns
it gets a hash of 64 bits, to tell how many rows did not change.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from libs.column_names import BBOX, RESERVED_NAMES
from libs.compute.engine import Processed
from libs.compute.order import Order
from libs.compute.rows import Rows
from libs.compute.type_mapping import engine_schema
from libs.compute.whole import database
from libs.models import BBox, Changes, Problem, Rejected, Rule
from libs.spatial_utils.arrays import Integers, indices

if TYPE_CHECKING:
    import duckdb

_BATCH_ROWS = 65_536
_SHOWN = 3
"""Keys that a message shows."""
_OLD, _NEW = "old", "new"


@dataclass(frozen=True)
class Side:
    """Files of a version, or of a delivery, in scratch.

    Attributes:
        name: For messages: ``roads@3``.
        paths: Its data files, in order.
        schema: Of all of them.
        features: Rows in all of them.
    """

    name: str
    paths: Sequence[Path]
    schema: pa.Schema
    features: int


@dataclass(frozen=True)
class Counts:
    """What became of rows. ``updated`` and ``unchanged`` ones have a key that was there."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    unknown: int = 0
    """Keys to be deleted that were not there."""


class Merged(Processed):
    """The rows of both, in the order of every result: along the Hilbert curve, ties in the order of the version before."""

    def __init__(self, schema: pa.Schema, crs: str | None, rows: Rows, order: Order) -> None:
        self.schema, self.crs = schema, crs
        self.features, self.bbox = order.rows, order.bbox
        self.changes, self.origins, self.warnings, self.set_aside, self.broken_rules = Changes(), {}, (), 0, {}
        self._rows, self._order = rows, order

    features: int
    bbox: BBox | None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See :meth:`libs.compute.engine.Processed.batches`. Can be read once."""
        return self._rows.in_order(self._order.places())

    def rejects(self) -> Iterator[pa.RecordBatch]:
        """None: the delivery has its own."""
        return iter(())

    def close(self) -> None:
        """Let go of the rows."""
        self._rows.close()


def require_key(rule: Rule, old: Side | None, new: Side, where: str) -> None:
    """Make sure that both have the columns of the key, of types that can be one, and the same.

    Args:
        rule: What holds for the dataset.
        old: The version before; None when there is none.
        new: The delivery.
        where: The dataset, for problems.

    Raises:
        Rejected: with everything that is wrong.
    """
    problems: list[Problem] = []
    may_differ = rule.widen or rule.mode == "delete"  # whole numbers of two sizes are compared exactly, and none of them is kept
    sides = {side.name: side for side in (new, old) if side is not None}
    for name in rule.key:
        types = {called: _type(side.schema, name) for called, side in sides.items()}
        problems += [
            Problem(
                code="key_missing", where=where, message=f"The key {name!r} is no column of {side}.",
                remedy=f"It has {', '.join(_attributes(sides[side]))}. Correct 'key', or the file.",
            )
            for side, type_ in types.items()
            if type_ is None
        ]  # fmt: skip
        found = {side: type_ for side, type_ in types.items() if type_ is not None}
        if any(_no_key(type_) for type_ in found.values()):
            problems.append(
                Problem(
                    code="key_type", where=where,
                    message=f"The key {name!r} has the type {next(iter(found.values()))}, which cannot be compared exactly.",
                    remedy="Take columns of text, whole numbers or dates as the 'key'.",
                )
            )  # fmt: skip
        elif len({*found.values()}) > 1 and not (may_differ and wider(*found.values())):
            said = ", ".join(f"{type_} in {side}" for side, type_ in found.items())
            numbers = wider(*found.values()) is not None
            problems.append(
                Problem(
                    code="key_type", where=where, message=f"The key {name!r} has two types: {said}. Nothing was converted.",
                    remedy='Write "schema": "widen" in the manifest, or deliver the column in the type of the dataset.' if numbers
                    else "Deliver the column in the type of the dataset: a recipe's step 'cast' can do it.",
                )
            )  # fmt: skip
    if problems:
        raise Rejected(problems)


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type of two that holds all values of both: of whole numbers with or without sign, or of floating ones."""
    if one == other:
        return one
    for is_kind in (pa.types.is_signed_integer, pa.types.is_unsigned_integer, pa.types.is_floating):
        if is_kind(one) and is_kind(other):
            return max(one, other, key=lambda type_: type_.bit_width)
    return None


class Merge:
    """Merges a delivery into a version.

    Args:
        rule: What holds for the dataset.
        old: The version before; None when there is none.
        new: The delivery.
        schema: Of the result: all columns of the version before are in it, and all of the delivery unless it deletes.
        where: The dataset, for problems.
        folder: For what does not fit into memory. It exists.
        memory_mb: Of the run, in MiB.
    """

    def __init__(
        self, rule: Rule, old: Side | None, new: Side, schema: pa.Schema, where: str, folder: Path, memory_mb: int
    ) -> None:
        self._rule, self._old, self._new, self._schema, self._where = rule, old, new, schema, where
        self._folder, self._memory_mb = folder, memory_mb
        self._old_features = old.features if old else 0
        self._stays = np.ones(self._old_features, np.bool_)
        self._marks: Integers = np.arange(self._old_features, self._old_features + new.features, dtype=np.int64)

    def match(self) -> Counts:
        """Check the keys of both, and find out what becomes of the rows. Nothing is written.

        Raises:
            Rejected: when a key is missing in a row, or is not unique.
        """
        if not self._rule.key:
            return Counts(added=self._new.features)
        with closing(database(self._folder / "keys", self._memory_mb)) as keys:
            self._take_in(keys, _NEW, self._new)
            self._require_unique(keys, _NEW, self._new)
            if self._old is None:
                return Counts(added=self._new.features)
            self._take_in(keys, _OLD, self._old)
            self._require_unique(keys, _OLD, self._old)
            return self._matched(keys, self._old)

    def merged(self, crs: str | None) -> Merged:
        """The rows of the result; to be called after :meth:`match`, which gives every row its place.

        Args:
            crs: Of the result.
        """
        rows, order = Rows.in_share(self._folder / "rows", self._memory_mb), Order()

        def add(batch: pa.RecordBatch, marks: Integers) -> None:
            if batch.num_rows:
                rows.put(batch)
                order.add(batch[BBOX] if BBOX in batch.schema.names else None, [indices(marks)])

        try:
            for batch, first in _batches(self._old, self._schema):
                stays = self._stays[first : first + batch.num_rows]
                places = np.flatnonzero(stays)
                add(batch if len(places) == batch.num_rows else batch.take(indices(places)), places + first)
            if self._rule.mode != "delete":
                for batch, first in _batches(self._new, self._schema):
                    add(batch, self._marks[first : first + batch.num_rows])
        except BaseException:
            rows.close()
            raise
        return Merged(self._schema, crs, rows, order)

    def _take_in(self, keys: "duckdb.DuckDBPyConnection", table: str, side: Side) -> None:
        """Fill a table with a side's keys, their rows, and hashes of all columns where these are asked for."""
        hashed = self._rule.mode == "upsert" and self._old is not None
        names = [name for name in self._schema.names if name != BBOX] if hashed else [*self._rule.key]
        wanted = pa.schema([self._key_field(name) for name in names])
        types = engine_schema(wanted, self._where)
        names_of = {name: f"c{number}" for number, name in enumerate(names)}
        columns = [f"{names_of[name]} AS k{number}" for number, name in enumerate(self._rule.key)]
        content = f"hash({', '.join(names_of.values())})" if hashed else "0::UBIGINT"
        select = f"SELECT {', '.join(columns)}, row, {content} AS content FROM chunk"
        empty = pa.RecordBatch.from_arrays([pa.array([], type_) for type_ in wanted.types], names=names)
        for number, (batch, first) in enumerate(chain([(empty, 0)], _batches(side, wanted))):
            arrays = [column.cast(type_) for column, type_ in zip(batch.columns, types.types, strict=True)]
            chunk = pa.table([*arrays, pa.array(np.arange(first, first + batch.num_rows))], names=[*names_of.values(), "row"])
            keys.register("chunk", chunk)
            keys.execute(f"INSERT INTO {table} {select}" if number else f"CREATE TABLE {table} AS {select}")
            keys.unregister("chunk")

    def _key_field(self, name: str) -> pa.Field:
        """A column as it is compared: in the larger type, where the two sides have two."""
        types = [_type(side.schema, name) for side in (self._old, self._new) if side is not None]
        there = [type_ for type_ in types if type_ is not None]
        return pa.field(name, wider(there[0], there[-1]) or there[0])

    def _require_unique(self, keys: "duckdb.DuckDBPyConnection", table: str, side: Side) -> None:
        columns = [f"k{number}" for number in range(len(self._rule.key))]
        missing = " OR ".join(f"{column} IS NULL" for column in columns)
        (count,) = keys.execute(f"SELECT count(*) FROM {table} WHERE {missing}").fetchone() or (0,)
        if count:
            raise Rejected.because(
                "key_null", self._where, f"{_rows(count, side)} no value in the key {self._key()}.",
                "Give every feature a key, or take another column as the 'key'.",
            )  # fmt: skip
        several = (
            f"SELECT {', '.join(columns)}, count(*) AS often, min(row) AS first FROM {table} GROUP BY ALL HAVING count(*) > 1"
        )
        (count,) = keys.execute(f"SELECT count(*) FROM ({several})").fetchone() or (0,)
        if count:
            shown = keys.execute(f"{several} ORDER BY first LIMIT {_SHOWN}").fetchall()
            said = ", ".join(f"{_value(row[:-2])} ({row[-2]} times)" for row in shown)
            more = f" and {count - _SHOWN:,} more" if count > _SHOWN else ""
            raise Rejected.because(
                "key_not_unique", self._where, f"The key {self._key()} is not unique in {side.name}: {said}{more}.",
                "Deliver each feature once, or add columns to the 'key' until it tells the features apart.",
            )  # fmt: skip

    def _matched(self, keys: "duckdb.DuckDBPyConnection", old: Side) -> Counts:
        pairs = " AND ".join(f"{_OLD}.k{number} = {_NEW}.k{number}" for number in range(len(self._rule.key)))
        joined = f"FROM {_OLD} JOIN {_NEW} ON {pairs}"
        if self._rule.mode == "append":
            self._require_new(keys, joined, old)
            return Counts(added=self._new.features)
        found = keys.execute(
            f"SELECT {_OLD}.row AS there, {_NEW}.row AS here, {_OLD}.content = {_NEW}.content AS same {joined}"
        ).fetchnumpy()
        there, here = found["there"], found["here"]
        self._stays[there] = False
        if self._rule.mode == "delete":
            return Counts(deleted=len(there), unknown=self._new.features - len(here))
        self._marks[here] = there  # in the place of the row that it replaces
        same = int(np.count_nonzero(found["same"]))
        return Counts(added=self._new.features - len(here), updated=len(here) - same, unchanged=same)

    def _require_new(self, keys: "duckdb.DuckDBPyConnection", joined: str, old: Side) -> None:
        (count,) = keys.execute(f"SELECT count(*) {joined}").fetchone() or (0,)
        if count:
            columns = ", ".join(f"{_NEW}.k{number}" for number in range(len(self._rule.key)))
            shown = keys.execute(f"SELECT {columns} {joined} ORDER BY {_NEW}.row LIMIT {_SHOWN}").fetchall()
            more = f" and {count - _SHOWN:,} more" if count > _SHOWN else ""
            raise Rejected.because(
                "key_taken", self._where,
                f"{old.name} has features with these keys {self._key()} already: {', '.join(map(_value, shown))}{more}.",
                'To replace them: write "mode": "upsert" in the manifest. Else deliver only new features.',
            )  # fmt: skip

    def _key(self) -> str:
        return ", ".join(map(repr, self._rule.key))


def _batches(side: Side | None, schema: pa.Schema) -> Iterator[tuple[pa.RecordBatch, int]]:
    """A side's rows in the columns and types of a schema, and the number of the first of each batch."""
    first = 0
    for path in side.paths if side else ():
        with pq.ParquetFile(path) as file:
            there = [name for name in schema.names if name in file.schema_arrow.names]
            for batch in file.iter_batches(_BATCH_ROWS, columns=there):
                yield _conformed(batch, schema), first
                first += batch.num_rows


def _conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    names = {*batch.schema.names}
    columns = [
        batch[field.name].cast(field.type) if field.name in names else pa.nulls(batch.num_rows, field.type) for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, names=schema.names)


def _type(schema: pa.Schema, name: str) -> pa.DataType | None:
    return schema.field(name).type if name in schema.names else None


def _attributes(side: Side) -> list[str]:
    return [name for name in side.schema.names if name not in RESERVED_NAMES]


def _no_key(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_floating, pa.types.is_nested, pa.types.is_null, pa.types.is_binary)
    return any(is_kind(type_) for is_kind in kinds)


def _rows(count: int, side: Side) -> str:
    return f"1 feature of {side.name} has" if count == 1 else f"{count:,} features of {side.name} have"


def _value(row: Sequence[Any]) -> str:
    return ", ".join(map(repr, row))
