"""The attributes of a layer: what type each gets, and how its values are made from what GDAL delivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from libs.spatial_utils.worker.ogr import domains
from libs.spatial_utils.worker.ogr.gdal import DATE_TIME, STRING, strings
from libs.spatial_utils.worker.values import times

if TYPE_CHECKING:
    from libs.spatial_utils.worker.ogr.layer import OgrLayer


@dataclass
class Column:
    """An attribute on its way out.

    Attributes:
        name: Of the column that is sent.
        type: Of the column that is sent.
        position: In GDAL's batches.
        convert: Makes the column that is sent from GDAL's column and the number of its first row.
        notes: What else is known of it, as metadata of its field.
    """

    name: str
    type: pa.DataType
    position: int
    convert: Callable[[pa.Array, int], pa.Array]
    notes: dict[bytes, bytes] | None = None


def unchanged(column: pa.Array, _: int) -> pa.Array:
    """A conversion that changes nothing."""
    return column


def columns_of(layer: OgrLayer, *, time_zones_known: bool) -> list[Column]:
    """The columns for the fields of a layer.

    Args:
        layer: Described, apart from its columns.
        time_zones_known: Whether GDAL has looked at the time zone of every value of a column.
    """
    return _ColumnPlan(layer, time_zones_known=time_zones_known).columns()


class _ColumnPlan:
    """How the fields of a layer become columns."""

    def __init__(self, layer: OgrLayer, *, time_zones_known: bool) -> None:
        self._layer, self._gdal = layer, layer.gdal
        self._time_zones_known = time_zones_known

    def columns(self) -> list[Column]:
        layer = self._layer
        times_of = self._types_of_times() if layer.types_of_times is None else self._types_of_texts(layer.types_of_times)
        layer.types = layer.stream_schema().types[1 if layer.key else 0 :][: len(layer.fields)]
        return [
            self._confirmed(index, self._with_notes(field, self._column(index, field, type_, times_of.get(index))))
            for index, (field, type_) in enumerate(zip(layer.fields, layer.types, strict=True))
        ]

    def _column(self, index: int, field: int, kind: pa.DataType, time: pa.DataType | None) -> Column:
        layer, name = self._layer, self._layer.names[index]
        if time is not None:

            def convert(column: pa.Array, first: int) -> pa.Array:
                return times.parse_by_policy(column, time, name, layer.place, first, layer.quarantine)

            return Column(name, time, index, convert)
        if layer.decoder and pa.types.is_string(kind):
            decoder, width = layer.decoder, self._gdal.OGR_Fld_GetWidth(field)
            return Column(name, kind, index, lambda column, first: decoder.column(column, name, width, first, layer.name))
        if isinstance(kind, pa.BaseExtensionType):  # JSON: text that Arrow has a name for
            return Column(name, kind.storage_type, index, lambda column, _: column.storage)
        if pa.types.is_dictionary(kind):  # coded values come with their meanings: what the file stores is the code
            return Column(name, kind.index_type, index, lambda column, _: column.indices)
        return Column(name, kind, index, unchanged)

    def _with_notes(self, field: int, column: Column) -> Column:
        """A column with what the file says of it besides its type."""
        layer = self._layer
        return replace(
            column, notes=domains.column_notes(self._gdal, layer.dataset, field, column.type, layer.notes, layer.place)
        )

    def _confirmed(self, index: int, column: Column) -> Column:
        """A column whose type was inferred from the first rows: the others must agree."""
        if index not in self._layer.unconfirmed:
            return column
        inference = self._layer.unconfirmed[index]
        announced = inference.type

        def convert(values: pa.Array, first: int) -> pa.Array:
            inference.confirm(values, announced)
            return column.convert(values, first)

        return replace(column, convert=convert)

    def _types_of_times(self) -> dict[int, pa.DataType]:
        """Types of the columns of times, by field, if GDAL does not know the time zone of every value of every one."""
        layer = self._layer
        flags = {index: self._gdal.OGR_Fld_GetTZFlag(layer.fields[index]) for index in self._fields_of(DATE_TIME)}
        unsure = [index for index, flag in flags.items() if flag <= times.MIXED]
        if not unsure:
            return {}
        layer.stream_options.append("DATETIME_AS_STRING=YES")
        types = {index: pa.timestamp("ms", times.zone_of_flag(flag)) for index, flag in flags.items()}
        if self._time_zones_known:
            # No zones, or several; or some values with a zone and some without, which parsing will find.
            types |= {index: pa.string() for index in unsure if flags[index] == times.MIXED}
        else:
            types |= self._inferred(unsure, empty=pa.timestamp("ms"))
        for index in (index for index in unsure if pa.types.is_string(types[index])):
            layer.notes.warn(
                "mixed_time_zones",
                f"The times of the column {layer.names[index]!r} do not agree in their time zone; they are kept as text.",
                "Write them all in UTC if they should be times.",
                layer.place,
            )
        return types

    def _types_of_texts(self, known: Mapping[str, pa.DataType]) -> dict[int, pa.DataType]:
        """Types of the columns of text, by field, of which every value is a time or a date."""
        names = self._layer.names
        return {index: known[names[index]] for index in self._fields_of(STRING) if names[index] in known}

    def _fields_of(self, kind: int) -> list[int]:
        return [index for index, field in enumerate(self._layer.fields) if self._gdal.OGR_Fld_GetType(field) == kind]

    def _inferred(self, indices: Sequence[int], *, empty: pa.DataType) -> dict[int, pa.DataType]:
        """Types of some columns by what their values look like, ``empty`` without any: they are read once more, by themselves.

        Where that need not be certain, only the first of them are.
        """
        layer = self._layer
        inferences = {index: times.TimeInference(empty) for index in indices}
        others = {*layer.names} - {layer.names[index] for index in inferences}  # a name may stand twice: then both are kept
        kept = [index for index, name in enumerate(layer.names) if name not in others]
        self._gdal.OGR_L_SetIgnoredFields(layer.handle, strings([*sorted(others), "OGR_GEOMETRY"]))
        try:
            with closing(layer.streamed()) as batches:
                for batch in batches:
                    for index, inference in inferences.items():
                        inference.add(batch.column(kept.index(index)))
                    if not layer.full_scan:
                        layer.unconfirmed = {index: inference for index, inference in inferences.items() if not inference.settled}
                        break
        finally:
            self._gdal.OGR_L_SetIgnoredFields(layer.handle, None)
        return {index: inference.type for index, inference in inferences.items()}
