"""A layer of a dataset of GDAL as Arrow batches. Every message of GDAL is classified."""

from __future__ import annotations

import ctypes
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.spatial_utils.worker.ogr import domains
from libs.spatial_utils.worker.ogr.columns import Column, columns_of, unchanged
from libs.spatial_utils.worker.ogr.gdal import strings
from libs.spatial_utils.worker.ogr.messages import classify
from libs.spatial_utils.worker.ogr.reference import crs_of
from libs.spatial_utils.worker.protocol import BATCH_ROWS, Notes, Unreadable
from libs.spatial_utils.worker.quarantine import Quarantine
from libs.spatial_utils.worker.values import geometry_column
from libs.spatial_utils.worker.values.text import Decoder

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from libs.spatial_utils.worker.ogr.reader import OgrReader
    from libs.spatial_utils.worker.values.times import TimeInference

_ARROW_STREAM_BYTES = 5 * ctypes.sizeof(ctypes.c_void_p)


class OgrLayer:
    """One layer of a GDAL dataset; see ``LayerReader``. Its reader's hooks may read and change what stands here.

    Attributes:
        gdal: The library.
        dataset: GDAL's handle of the file.
        handle: GDAL's handle of the layer.
        path: The file.
        own_name: The layer's name for GDAL, without a prefix.
        place: The layer, for problems.
        fields: GDAL's definitions of the attributes.
        names: Their names, decoded.
        types: Their types in GDAL's batches; known when the columns are.
        geometries: Number of geometry columns.
        geometry_names: Their names.
        geometry_position: Of the geometry in GDAL's batches.
        geometry_name: That of the one that is read as the geometry; empty without one.
        decoder: What decodes text; None where it is always UTF-8.
        key: Name of the key that becomes a column; None when it is left out.
        batch_rows: Features of a batch, at most.
        types_of_times: Where GDAL delivers times as text, the types of those columns of text that are times; else None.
        full_scan: Whether types are inferred from all rows.
        unconfirmed: By field, what was inferred from the first rows.
        stream_options: For GDAL's Arrow stream.
    """

    def __init__(self, reader: OgrReader, handle: int, name: str) -> None:
        self._reader, self.gdal, self.dataset, self.path = reader, reader.gdal, reader.dataset, reader.path
        gdal, request = reader.gdal, reader.request
        self.handle, self.notes = handle, Notes()
        self.full_scan, self.unconfirmed = request.full_scan, dict[int, "TimeInference"]()
        self.name, self.own_name = name, gdal.OGR_L_GetName(handle).decode("utf-8", "replace")
        self.place = f"layer {name}"
        self.quarantine = Quarantine(request.policies, self.notes)
        self.decoder = reader.decoder(self)
        if self.decoder:
            self.decoder.quarantine = self.quarantine
        definition = gdal.OGR_L_GetLayerDefn(handle)
        self.fields = [gdal.OGR_FD_GetFieldDefn(definition, index) for index in range(gdal.OGR_FD_GetFieldCount(definition))]
        decoder = self.decoder or Decoder("UTF-8", "the format", self.notes)
        self.names = [decoder.name(gdal.OGR_Fld_GetNameRef(field)) for field in self.fields]
        self.geometries = gdal.OGR_FD_GetGeomFieldCount(definition)
        if self.geometries and request.tabular and not reader.ignores_geometry():
            raise Unreadable(
                "type_mismatch",
                f"The file is declared as tabular, but the layer {self.name!r} has geometry.",
                'Write "type": "vector", or choose a \'layer\' without geometry.',
                self.place,
            )
        self.geometry = self.geometries > 0 and not request.tabular
        geometry_fields = [gdal.OGR_FD_GetGeomFieldDefn(definition, index) for index in range(self.geometries)]
        self.geometry_names = [gdal.OGR_GFld_GetNameRef(field).decode("utf-8", "replace") for field in geometry_fields]
        picked = self._picked(request.geometry)
        self.geometry_name = self.geometry_names[picked] if self.geometry else ""
        # some drivers say it of the layer only
        own = gdal.OGR_GFld_GetSpatialRef(geometry_fields[picked]) if picked else gdal.OGR_L_GetSpatialRef(handle)
        self.crs = crs_of(gdal, own) if self.geometry else None
        self.claimed = self._claimed()
        self.key: str | None = None
        self.batch_rows = BATCH_ROWS
        self.types_of_times: Mapping[str, pa.DataType] | None = None
        self.types: list[pa.DataType] = []
        reader.describe(self)
        self.stream_options = [f"INCLUDE_FID={'YES' if self.key else 'NO'}", f"MAX_FEATURES_IN_BATCH={self.batch_rows}"]
        self._columns = self._all_columns()
        self.geometry_position = len(self.fields) + picked
        if self.geometries > 1 and self.geometry:
            self._keep_further_geometries(picked)
        fields = [pa.field(column.name, column.type, metadata=column.notes) for column in self._columns]
        if self.geometry:
            fields.append(pa.field(GEOMETRY, pa.binary()))
        self.schema = pa.schema([*fields, *self.quarantine.fields])
        domains.tell_of_codes(self.schema, self.notes, self.place)
        self.classify()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The layer's rows; see ``LayerReader``. ``Unreadable`` when GDAL meets damage, or when some are missing."""
        read = missing = 0
        for batch in self.rows():
            missing += batch.column(len(self._columns)).null_count if self.geometry else 0
            yield batch
            read += batch.num_rows
        if self.decoder:
            self.decoder.finish(self.name)
        missing -= self.quarantine.lost_geometries
        self._reader.check_after(self, read, missing)  # last, while the pipeline is busy with what it was sent
        if self.claimed is not None and read != self.claimed and not self._reader.explains(self, read):
            raise Unreadable(
                "count_mismatch",
                f"The file says that the layer has {self.claimed:,} features, but {read:,} can be read.",
                "The file is truncated or damaged: upload it again, or repair it with the program that made it.",
                self.place,
            )

    def rows(self) -> Iterator[pa.RecordBatch]:
        """What can be read, whether that is all there is or not."""
        read = 0
        for batch in self._reader.rows(self):
            yield self._final(batch, read)
            read += batch.num_rows

    @property
    def inferred(self) -> bool:
        """Whether reading it may raise ``SchemaInferenceFailed``."""
        return bool(self.unconfirmed)

    def streamed(self, first: int = 0) -> Generator[pa.RecordBatch, None, None]:
        """GDAL's batches, none of them empty, each after the messages about it were classified.

        Args:
            first: Number of the first feature; other than 0 only where the format numbers its features without gaps.
        """
        read = first
        with self._stream() as reader:
            if first:
                self.gdal.OGR_L_SetNextByIndex(self.handle, first)
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    break
                except (pa.ArrowException, OSError) as error:
                    self.classify()
                    raise Unreadable(
                        "damaged",
                        f"GDAL stopped after {read:,} features: {error}.",
                        "Check the file with the program that made it, and write or upload it again.",
                        self.place,
                    ) from error
                self.classify()
                if batch.num_rows:
                    # by position: pyarrow stumbles over names that are not decoded yet
                    named = batch.rename_columns([str(index) for index in range(batch.num_columns)])
                    yield named.select([*range(1, batch.num_columns), 0]) if self.key else named
                    read += batch.num_rows
        self.classify()

    def stream_schema(self) -> pa.Schema:
        """The schema of GDAL's batches, the key first."""
        with self._stream() as reader:
            return reader.schema

    def classify(self) -> None:
        """Turn what GDAL has said of the layer into warnings; raises ``Unreadable`` for a loss."""
        classify(self.gdal.complaints.take(), self.notes, self.place, self._reader.messages)

    def _stream(self) -> Any:
        structure = ctypes.create_string_buffer(_ARROW_STREAM_BYTES)
        if not self.gdal.OGR_L_GetArrowStream(self.handle, structure, strings(self.stream_options)):
            self.classify()
            raise Unreadable("damaged", "GDAL cannot read this layer.", "Write the file again.", self.place)
        return pa.RecordBatchReader._import_from_c(ctypes.addressof(structure))  # noqa: SLF001 - its documented use

    def _all_columns(self) -> list[Column]:
        """The columns to send: of the fields, of the key; at least the numbers of rows that have nothing else."""
        columns = columns_of(self, time_zones_known=self._reader.time_zones_known)
        columns = self._reader.columns(self, columns)
        if self.key:
            columns.insert(0, Column(self.key, pa.int64(), len(self.fields) + self.geometries, unchanged))
        if not columns and not self.geometry:
            self.stream_options[0] = "INCLUDE_FID=YES"
            name = self.gdal.OGR_L_GetFIDColumn(self.handle).decode("utf-8", "replace") or "fid"
            columns.append(Column(name, pa.int64(), 0, unchanged))
        return columns

    def _picked(self, wanted: str | None) -> int:
        """Which geometry column is read as the geometry: the first, unless another is wanted."""
        names = [name.casefold() for name in self.geometry_names]
        return names.index(wanted.casefold()) if wanted is not None and wanted.casefold() in names else 0

    def _keep_further_geometries(self, picked: int) -> None:
        """The other geometry columns stay as attributes: WKB in their own CRS."""
        for index, known in enumerate(self.geometry_names):
            if index == picked:
                continue
            name, position = known or f"geometry_{index + 1}", len(self.fields) + index
            self._columns.append(Column(name, pa.binary(), position, lambda column, _: column.cast(pa.binary())))
            self.notes.warn(
                "second_geometry",
                f"The geometry column {name!r} is kept as a plain attribute (WKB in its own CRS).",
                f'To read it as the geometry, write "geometry": {json.dumps(name, ensure_ascii=False)}.',
                self.place,
            )

    def _final(self, batch: pa.RecordBatch, read: int) -> pa.RecordBatch:
        columns = [column.convert(batch.column(column.position), read) for column in self._columns]
        if self.geometry:
            columns.append(self._normalised(batch.column(self.geometry_position), read))
        columns += self.quarantine.columns(batch.num_rows, self.schema.names[: len(self._columns)], columns[: len(self._columns)])
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _normalised(self, geometry: pa.Array, read: int) -> pa.Array:
        def problem(row: int) -> Unreadable:
            return Unreadable(
                "damaged_geometry",
                f"The geometry of feature {read + row + 1} is damaged.",
                "Repair or remove it.",
                f"{self.place}, feature {read + row + 1}",
            )

        vouched = self._reader.valid_wkb
        return geometry_column.normalised(geometry, self.gdal, self.notes.counts, self.quarantine, problem, vouched=vouched)

    def _claimed(self) -> int | None:
        if not self.gdal.OGR_L_TestCapability(self.handle, b"FastFeatureCount"):
            return None
        count = self.gdal.OGR_L_GetFeatureCount(self.handle, 0)
        return int(count) if count >= 0 else None
