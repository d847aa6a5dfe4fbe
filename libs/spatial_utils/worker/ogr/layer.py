"""A layer of a dataset of GDAL as Arrow batches, with every complaint of GDAL weighed."""

import ctypes
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import pyarrow as pa

from libs.spatial_utils.worker.formats.dxf import encoding as dxf
from libs.spatial_utils.worker.formats.flatgeobuf import arrow as flatgeobuf
from libs.spatial_utils.worker.formats.geojson import checks as geojson
from libs.spatial_utils.worker.formats.geojson.profile import GeoJSONProfile
from libs.spatial_utils.worker.formats.geopackage import checks as geopackage
from libs.spatial_utils.worker.formats.mapinfo import checks as mapinfo
from libs.spatial_utils.worker.formats.shapefile import parts, patches, records
from libs.spatial_utils.worker.formats.shapefile.cells import Cells
from libs.spatial_utils.worker.ogr import domains
from libs.spatial_utils.worker.ogr.catalog import Catalog
from libs.spatial_utils.worker.ogr.gdal import DATE_TIME, STRING, Gdal, strings
from libs.spatial_utils.worker.ogr.messages import classify
from libs.spatial_utils.worker.ogr.reference import WITHOUT_WORD, by_default, crs_of
from libs.spatial_utils.worker.protocol import BATCH_ROWS, GEOMETRY, Notes, Request, Unreadable
from libs.spatial_utils.worker.values import times, wkb
from libs.spatial_utils.worker.values.text import Decoder

_ONLY_NUMBERS = frozenset({"fid", "ogc_fid", "objectid"})
"""Names of primary keys that programs make of themselves: they number the rows."""
_ARROW_STREAM_BYTES = 5 * ctypes.sizeof(ctypes.c_void_p)


@dataclass
class _Column:
    """An attribute on its way out.

    Attributes:
        position: In GDAL's batches.
        convert: Column of GDAL and number of its first row to the column that is sent.
        notes: What else is known of it, as metadata of its field.
    """

    name: str
    type: pa.DataType
    position: int
    convert: Callable[[pa.Array, int], pa.Array]
    notes: dict[bytes, bytes] | None = None


class OgrLayer:
    """One layer of a GDAL dataset; see ``LayerReader``."""

    def __init__(
        self,
        gdal: Gdal,
        dataset: int,
        handle: int,
        path: Path,
        name: str,
        request: Request,
        *,
        contents: GeoJSONProfile | None,
        exact_times: bool,
        catalog: Catalog | None = None,
    ) -> None:
        self._gdal, self._dataset, self._handle, self._path, self._driver = gdal, dataset, handle, path, request.driver
        self.notes = Notes()
        self._full_scan, self._unconfirmed = request.full_scan, dict[int, times.Survey]()
        self.name, self.own_name = name, gdal.OGR_L_GetName(handle).decode("utf-8", "replace")
        self._decoder = self._decoder_for(request.encoding)
        definition = gdal.OGR_L_GetLayerDefn(handle)
        self._fields = [gdal.OGR_FD_GetFieldDefn(definition, index) for index in range(gdal.OGR_FD_GetFieldCount(definition))]
        decoder = self._decoder or Decoder("UTF-8", "the format", self.notes)
        self.names = [decoder.name(gdal.OGR_Fld_GetNameRef(field)) for field in self._fields]
        self.geometries = geometries = gdal.OGR_FD_GetGeomFieldCount(definition)
        if geometries and request.tabular and path.suffix.lower() != ".dbf":  # GDAL opens a .dbf with the .shp beside it
            raise Unreadable(
                "type_mismatch",
                f"The file is declared as tabular, but the layer {self.name!r} has geometry.",
                'Write "type": "vector", or choose a \'layer\' without geometry.',
                self._place,
            )
        self.geometry = geometries > 0 and not request.tabular
        self.crs = crs_of(gdal, gdal.OGR_L_GetSpatialRef(handle)) if self.geometry else None
        if contents:
            self.crs = contents.crs.reference(self.crs, self._place)
        elif request.driver in WITHOUT_WORD:
            self.crs = by_default(self.crs)
        elif self.geometry and self.crs is None and request.driver == parts.DRIVER:
            self.crs = parts.projection(path)
        self.claimed = contents.features if contents else self._claimed()
        self._key = self._kept_key(request, catalog) if catalog else None
        self._options = [f"INCLUDE_FID={'YES' if self._key else 'NO'}", f"MAX_FEATURES_IN_BATCH={self._batch_rows()}"]
        self._columns = self._plan(contents, exact_times=exact_times)
        self._geometry_position = len(self._fields)
        if geometries > 1 and self.geometry:
            self._keep_further_geometries(definition, geometries)
        fields = [pa.field(column.name, column.type, metadata=column.notes) for column in self._columns]
        self.schema = pa.schema([*fields, pa.field(GEOMETRY, pa.binary())] if self.geometry else fields)
        domains.tell_of_codes(self.schema, self.notes, self._place)
        self._classify()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The layer's rows; see ``LayerReader``. ``Unreadable`` when GDAL meets damage, or when some are missing."""
        read = missing = 0
        for batch in self.rows():
            missing += batch.column(batch.num_columns - 1).null_count if self.geometry else 0
            yield batch
            read += batch.num_rows
        if self._decoder:
            self._decoder.finish(self.name)
        if self._driver == geopackage.DRIVER:  # last, while the pipeline is busy with what it was sent
            self._check_geopackage(missing)
        if self._driver == mapinfo.DRIVER:
            mapinfo.check_count(self._path, read)
        if self.claimed is not None and read != self.claimed and not self._explained(read):
            raise Unreadable(
                "count_mismatch",
                f"The file says that the layer has {self.claimed:,} features, but {read:,} can be read.",
                "The file is truncated or damaged: upload it again, or repair it with the program that made it.",
                self._place,
            )

    def _check_geopackage(self, missing: int) -> None:
        columns = [
            geopackage.Column(name, self._gdal.OGR_Fld_GetType(field), self._gdal.OGR_Fld_GetSubType(field))
            for name, field in zip(self.names, self._fields, strict=True)
        ]
        geopackage.check(self._gdal, self._dataset, self.own_name, columns)
        if missing:
            field = self._gdal.OGR_FD_GetGeomFieldDefn(self._gdal.OGR_L_GetLayerDefn(self._handle), 0)
            column = self._gdal.OGR_GFld_GetNameRef(field).decode("utf-8", "replace")
            geopackage.check_geometries(self._gdal, self._dataset, self.own_name, column, missing)

    def rows(self) -> Iterator[pa.RecordBatch]:
        """What GDAL reads, whether that is all there is or not."""
        read = 0
        for batch in self._raw_batches():
            yield self._final(batch, read)
            read += batch.num_rows

    def _decoder_for(self, encoding: str | None) -> Decoder | None:
        """What decodes text, or looks at it again, of formats that do not have it in UTF-8."""
        if self._driver == parts.DRIVER:
            return parts.decoder(self._gdal, self._handle, encoding, self.notes)
        if self._driver == mapinfo.DRIVER:
            return mapinfo.decoder(self._path, encoding, self.notes)
        return dxf.decoder(self._path, encoding, self.notes) if self._driver == dxf.DRIVER else None

    @property
    def inferred(self) -> bool:
        """Whether reading it may raise ``SchemaInferenceFailed``."""
        return bool(self._unconfirmed)

    @property
    def _place(self) -> str:
        return f"layer {self.name}"

    def _raw_batches(self) -> Iterator[pa.RecordBatch]:
        """GDAL's own batches, none of them empty, each after the complaints about it were weighed."""
        if self._driver == parts.DRIVER:
            return self._recorded()
        if self._driver == flatgeobuf.DRIVER and self.geometry:
            return self._ungarbled()
        return self._as_streamed()

    def _ungarbled(self) -> Iterator[pa.RecordBatch]:
        """The same by GDAL's slow way as soon as its fast way overwrites geometries, as it does where one is missing (3.12.4)."""
        read = 0
        for batch in self._as_streamed():
            if flatgeobuf.is_garbled(batch.column(batch.num_columns - 1)):
                self._read_flatgeobuf_slowly()
                break
            yield batch
            read += batch.num_rows
        else:
            return
        for batch in self._as_streamed():
            passed = min(read, batch.num_rows)
            read -= passed
            if passed < batch.num_rows:
                yield batch.slice(passed)

    def _recorded(self) -> Iterator[pa.RecordBatch]:
        """The same of a Shapefile: made here of its ordinary records, and by GDAL from the first other ones."""
        first = 0
        try:
            for batch in records.batches(self._path, self._types, geometry=self.geometry, ask=self._geometry_of):
                self._classify()
                yield batch
                first += batch.num_rows
        except parts.FastPathUnsupported:
            batches = Cells(self._path, self._types, self.names, self._place, self.notes).beside(self._as_streamed(first), first)
            yield from patches.beside(self._path, batches, first) if self.geometry else batches

    def _geometry_of(self, number: int) -> bytes | None:
        feature = self._gdal.OGR_L_GetFeature(self._handle, number)
        if not feature:
            raise parts.FastPathUnsupported("no such feature")
        try:
            geometry = self._gdal.OGR_F_GetGeometryRef(feature)
            return self._gdal.wkb(geometry) if geometry else None
        finally:
            self._gdal.OGR_F_Destroy(feature)

    def _as_streamed(self, first: int = 0) -> Generator[pa.RecordBatch, None, None]:
        """Batches from the feature of a number on; only Shapefiles have numbers without gaps."""
        read = first
        with self._stream() as reader:
            if first:
                self._gdal.OGR_L_SetNextByIndex(self._handle, first)
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    break
                except (pa.ArrowException, OSError) as error:
                    self._classify()
                    raise Unreadable(
                        "damaged",
                        f"GDAL stopped after {read:,} features: {error}.",
                        "Check the file with the program that made it, and write or upload it again.",
                        self._place,
                    ) from error
                self._classify()
                if batch.num_rows:
                    # by position: pyarrow stumbles over names that are not decoded yet
                    named = batch.rename_columns([str(index) for index in range(batch.num_columns)])
                    yield named.select([*range(1, batch.num_columns), 0]) if self._key else named
                    read += batch.num_rows
        self._classify()

    def _stream(self) -> Any:
        structure = ctypes.create_string_buffer(_ARROW_STREAM_BYTES)
        if not self._gdal.OGR_L_GetArrowStream(self._handle, structure, strings(self._options)):
            self._classify()
            raise Unreadable("damaged", "GDAL cannot read this layer.", "Write the file again.", self._place)
        return pa.RecordBatchReader._import_from_c(ctypes.addressof(structure))  # noqa: SLF001 - its documented use

    def _schema(self) -> pa.Schema:
        with self._stream() as reader:
            return reader.schema

    def _plan(self, contents: GeoJSONProfile | None, *, exact_times: bool) -> list[_Column]:
        """The attributes to send, and how each is made from what GDAL delivers."""
        kinds = self._kinds_of_texts(contents) if contents and exact_times else self._kinds_of_times()
        self._types = self._schema().types[1 if self._key else 0 :][: len(self._fields)]
        columns = [
            self._watched(index, self._noted(field, self._column(index, field, index, type_, kinds.get(index))))
            for index, (field, type_) in enumerate(zip(self._fields, self._types, strict=True))
        ]
        if contents:
            columns = self._corrected(columns, contents)
        if self._key:
            columns.insert(0, _Column(self._key, pa.int64(), len(self._fields) + self.geometries, lambda column, _: column))
        if not columns and not self.geometry:  # rows without anything: their numbers at least
            self._options[0] = "INCLUDE_FID=YES"
            name = self._gdal.OGR_L_GetFIDColumn(self._handle).decode("utf-8", "replace") or "fid"
            columns.append(_Column(name, pa.int64(), 0, lambda column, _: column))
        return columns

    def _corrected(self, columns: list[_Column], contents: GeoJSONProfile) -> list[_Column]:
        """The columns of features, with those that GDAL would get wrong as they stand in the file."""
        contents.tell(self.notes, self._place, {*self.names})
        again = contents.again()

        def remade(column: _Column, kind: pa.DataType) -> _Column:
            def convert(values: pa.Array, first: int) -> pa.Array:
                return again.column(column.name, kind, first, len(values))

            return _Column(column.name, kind, column.position, convert)

        types = contents.remade()
        corrected = [remade(column, types[column.name]) if column.name in types else column for column in columns]
        if (ids := contents.ids) is None:
            return corrected
        corrected = [column for column in corrected if column.name != "id" or "id" in contents.names]  # GDAL's, for some ids
        names = chain(("id", "feature_id"), map("feature_id_{}".format, count(2)))
        name = next(name for name in names if name not in contents.names)
        return [_Column(name, ids.type, 0, lambda values, first: _joined(ids.slice(first, len(values)))), *corrected]

    def _column(self, index: int, field: int, position: int, kind: pa.DataType, time: pa.DataType | None) -> _Column:
        name = self.names[index]
        if time is not None:
            return _Column(name, time, position, lambda column, _: times.parse(column, time, name, self._place))
        if self._decoder and pa.types.is_string(kind):
            decoder, width = self._decoder, self._gdal.OGR_Fld_GetWidth(field)
            final = dxf.unescaped if self._driver == dxf.DRIVER else lambda column: column
            return _Column(
                name, kind, position, lambda column, first: final(decoder.column(column, name, width, first, self.name))
            )
        if isinstance(kind, pa.BaseExtensionType):  # JSON: text that Arrow has a name for
            return _Column(name, kind.storage_type, position, lambda column, _: column.storage)
        if pa.types.is_dictionary(kind):  # coded values come with their meanings: what the file stores is the code
            return _Column(name, kind.index_type, position, lambda column, _: column.indices)
        return _Column(name, kind, position, lambda column, _: column)

    def _noted(self, field: int, column: _Column) -> _Column:
        """A column with what the file says of it besides its type."""
        return replace(column, notes=domains.column_notes(self._gdal, self._dataset, field, column.type, self.notes, self._place))

    def _watched(self, index: int, column: _Column) -> _Column:
        """A column whose type the first rows decided; the others must agree."""
        if index not in self._unconfirmed:
            return column
        survey = self._unconfirmed[index]
        announced = survey.type

        def convert(values: pa.Array, first: int) -> pa.Array:
            survey.confirm(values, announced)
            return column.convert(values, first)

        return replace(column, convert=convert)

    def _kinds_of_times(self) -> dict[int, pa.DataType]:
        """Types of the columns of times, by field, if GDAL does not know the time zone of every value of every one."""
        fields = [index for index, field in enumerate(self._fields) if self._gdal.OGR_Fld_GetType(field) == DATE_TIME]
        flags = {index: self._gdal.OGR_Fld_GetTZFlag(self._fields[index]) for index in fields}
        unsure = [index for index, flag in flags.items() if flag <= times.MIXED]
        if not unsure:
            return {}
        self._options.append("DATETIME_AS_STRING=YES")
        kinds = {index: pa.timestamp("ms", times.zone_of_flag(flag)) for index, flag in flags.items()}
        if self._driver in geojson.DRIVERS:
            # GDAL has seen every value: no zones, or several; or some with and some without, which parsing will find
            kinds |= {index: pa.string() for index in unsure if flags[index] == times.MIXED}
        else:
            kinds |= self._surveyed(unsure, empty=pa.timestamp("ms"))
        for index in (index for index in unsure if pa.types.is_string(kinds[index])):
            self.notes.warn(
                "mixed_time_zones",
                f"The times of the column {self.names[index]!r} do not agree in their time zone; they are kept as text.",
                "Write them all in UTC if they should be times.",
                self._place,
            )
        return kinds

    def _kinds_of_texts(self, contents: GeoJSONProfile) -> dict[int, pa.DataType]:
        """Types of the columns of text, by field, of which every value is a time or a date."""
        kinds = contents.types_of_times()
        return {
            index: kinds[name]
            for index, (field, name) in enumerate(zip(self._fields, self.names, strict=True))
            if name in kinds and self._gdal.OGR_Fld_GetType(field) == STRING
        }

    def _surveyed(self, indices: Sequence[int], *, empty: pa.DataType) -> dict[int, pa.DataType]:
        """Types of some columns by what their values look like, ``empty`` without any: they are read once more, by themselves.

        Where that need not be certain, only the first of them are.
        """
        surveys = {index: times.Survey(empty) for index in indices}
        others = {*self.names} - {self.names[index] for index in surveys}  # a name may stand twice: then both are kept
        kept = [index for index, name in enumerate(self.names) if name not in others]
        self._gdal.OGR_L_SetIgnoredFields(self._handle, strings([*sorted(others), "OGR_GEOMETRY"]))
        try:
            with closing(self._as_streamed()) as batches:
                for batch in batches:
                    for index, survey in surveys.items():
                        survey.add(batch.column(kept.index(index)))
                    if not self._full_scan:
                        self._unconfirmed = {index: survey for index, survey in surveys.items() if not survey.settled}
                        break
        finally:
            self._gdal.OGR_L_SetIgnoredFields(self._handle, None)
        return {index: survey.type for index, survey in surveys.items()}

    def _kept_key(self, request: Request, catalog: Catalog) -> str | None:
        """The key of the rows, which GDAL hides, where somebody asks for it or it says something; else None.

        The keys that programs make of themselves only number the rows, unless another table refers to them.
        """
        key: str = self._gdal.OGR_L_GetFIDColumn(self._handle).decode("utf-8", "replace")
        if not key:
            if request.keep_key:
                self.notes.warn("no_key", "The layer has no key that could be kept.", "Leave 'keep_key' out.", self._place)
            return None
        is_own = request.driver == geopackage.DRIVER and key.lower() not in _ONLY_NUMBERS
        if is_own or request.asks_for(key):
            return key
        reference = catalog.reference_to(self.own_name, key)
        if reference is None:
            return None
        if request.appended:
            self.notes.warn(
                "key_left_out",
                f"The key {key!r} of the layer is left out, although {reference} refers to it: the rows before it in the dataset "
                "have no such column.",
                'Write "keep_key": true in the entries of all these files to keep it.',
                self._place,
            )
            return None
        self.notes.warn(
            "key_kept",
            f"The key {key!r} of the layer is kept as a column, since {reference} refers to it.",
            f'To leave it out, use the intent "select" with "parameters": {json.dumps({"without": [key]}, ensure_ascii=False)}.',
            self._place,
        )
        return key

    def _keep_further_geometries(self, definition: int, geometries: int) -> None:
        """Geometry columns after the first stay as attributes: WKB in their own CRS."""
        first = self._geometry_position
        for index in range(1, geometries):
            field = self._gdal.OGR_FD_GetGeomFieldDefn(definition, index)
            name = self._gdal.OGR_GFld_GetNameRef(field).decode("utf-8", "replace") or f"geometry_{index + 1}"
            self._columns.append(_Column(name, pa.binary(), first + index, lambda column, _: column.cast(pa.binary())))
            self.notes.warn(
                "second_geometry",
                f"The geometry column {name!r} is kept as a plain attribute (WKB in its own CRS).",
                "Submit it as a layer of its own if it should be one.",
                self._place,
            )

    def _final(self, batch: pa.RecordBatch, read: int) -> pa.RecordBatch:
        columns = [column.convert(batch.column(column.position), read) for column in self._columns]
        if self.geometry:
            try:
                columns.append(
                    wkb.normalise(
                        batch.column(self._geometry_position),
                        self._gdal,
                        self.notes.counts,
                        vouched=self._driver != geopackage.DRIVER,
                    )
                )
            except wkb.DamagedGeometry as error:
                raise Unreadable(
                    "damaged_geometry",
                    f"The geometry of feature {read + error.row + 1} is damaged.",
                    "Repair or remove it.",
                    f"{self._place}, feature {read + error.row + 1}",
                ) from error
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _batch_rows(self) -> int:
        """Features of a batch, at most."""
        if self._driver != flatgeobuf.DRIVER:
            return BATCH_ROWS
        if not self.claimed:
            self._read_flatgeobuf_slowly()
            return BATCH_ROWS
        return flatgeobuf.batch_rows(self._gdal, self._path, self.claimed)

    def _read_flatgeobuf_slowly(self) -> None:
        flatgeobuf.read_slowly(self._gdal)
        if any(self._gdal.OGR_Fld_GetType(field) == DATE_TIME for field in self._fields):
            flatgeobuf.tell_of_cut_times(self._path, self.notes, self._place)

    def _claimed(self) -> int | None:
        if not self._gdal.OGR_L_TestCapability(self._handle, b"FastFeatureCount"):
            return None
        count = self._gdal.OGR_L_GetFeatureCount(self._handle, 0)
        return int(count) if count >= 0 else None

    def _explained(self, read: int) -> bool:
        """Whether what was read is all there is, whatever the file claims."""
        if self._driver == geopackage.DRIVER:  # the count is kept by triggers, which other programs may lack
            return read == geopackage.count(self._gdal, self._dataset, self.own_name)
        if self._driver in {parts.DRIVER, mapinfo.DRIVER}:
            return read + parts.deleted_records(self._path) == self.claimed
        return False

    def _classify(self) -> None:
        classify(self._gdal.complaints.take(), self.notes, self._place)


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
