"""Types that DuckDB does not have, and the types that hold their values in it without loss."""

import pyarrow as pa

from libs.models import Problem, Rejected

_DIGITS = 38
"""Digits of DuckDB's largest decimals."""


def engine_schema(schema: pa.Schema, where: str) -> pa.Schema:
    """The schema of a source while it is in the engine.

    Args:
        schema: As it was read.
        where: The source, for problems.

    Raises:
        Rejected: naming every column whose type no engine type can hold.
    """
    types = [_engine_type(item.type) for item in schema]
    problems = [
        Problem(
            code="unsupported_type", where=where,
            message=f"The column {item.name!r} has the type {item.type}, whose values cannot be kept as they are.",
            remedy="Write it in another type, or leave the column out of the file.",
        )
        for item, type_ in zip(schema, types, strict=True)
        if type_ is None
    ]  # fmt: skip
    if problems:
        raise Rejected(problems)
    return pa.schema([(item.name, type_) for item, type_ in zip(schema, types, strict=True)])


def restored(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch from the engine in the types that it is to have."""
    columns = zip(batch.columns, schema.types, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.nulls(len(column)) if pa.types.is_null(type_) else column.cast(type_) for column, type_ in columns], schema=schema
    )


def _engine_type(type_: pa.DataType) -> pa.DataType | None:
    """The type itself, one that holds all its values, or None."""
    if pa.types.is_nested(type_):
        inner = [type_.field(index).type for index in range(type_.num_fields)]
        engine_types = [_engine_type(each) for each in inner]
        if engine_types == inner:
            return type_
        # Arrow casts the items of a list; nulls have no way back there.
        is_list = pa.types.is_list(type_) and engine_types[0] is not None and not pa.types.is_null(inner[0])
        return pa.list_(type_.value_field.with_type(engine_types[0])) if is_list else None
    if pa.types.is_decimal256(type_):
        return pa.decimal128(type_.precision, type_.scale) if type_.precision <= _DIGITS else None
    return next((engine_type for is_it, engine_type in _ENGINE_TYPES if is_it(type_)), type_)


def _is_zoned_nanoseconds(type_: pa.DataType) -> bool:
    return pa.types.is_timestamp(type_) and type_.unit == "ns" and type_.tz is not None


_ENGINE_TYPES = (
    (pa.types.is_null, pa.bool_()),
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_duration, pa.int64()),
    (_is_zoned_nanoseconds, pa.timestamp("ns")),
)
