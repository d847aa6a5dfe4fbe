"""LV BAG: all files of one kind of objects are one layer."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.spatial_utils.worker.formats.lvbag.document import Document, Thing
from libs.spatial_utils.worker.formats.lvbag.objects import Kind, value_of
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import BATCH_ROWS, Notes, Request, Unreadable
from libs.spatial_utils.worker.quarantine import Quarantine
from libs.spatial_utils.worker.reader import FileReader
from libs.spatial_utils.worker.values import geometry_column

_CRS = "EPSG:28992"


class Reader(FileReader):
    """See ``FileReader``."""

    def open(self) -> None:
        """Add the layer of the file's kind, or the file to the layer that is there; see ``FileReader``."""
        kind = Document(self.path).identify()
        if kind.layer not in self.opened.names and self.add_name(kind.layer):
            self.opened.layers.append(_Layer(self.gdal, kind, self.request))
        for layer in self.opened.layers:
            if isinstance(layer, _Layer) and layer.name == kind.layer:
                layer.files.append(self.path)


class _Layer:
    """The objects of one kind; see ``LayerReader``."""

    def __init__(self, gdal: Gdal, kind: Kind, request: Request) -> None:
        self._gdal, self._kind, self.name, self.notes = gdal, kind, kind.layer, Notes()
        self._place = f"layer {kind.layer}"
        if kind.geometry and request.tabular:
            raise Unreadable(
                "type_mismatch",
                f"The file is declared as tabular, but the layer {kind.layer!r} has geometry.",
                'Write "type": "vector", or choose a \'layer\' without geometry.',
                self._place,
            )
        self.files: list[Path] = []
        self._create = gdal.function("OGR_G_CreateFromGML", ctypes.c_void_p, [ctypes.c_char_p])
        self.geometry, self.crs = kind.geometry, {"name": _CRS} if kind.geometry else None
        self.claimed: int | None = None
        self._quarantine = Quarantine(request.policies, self.notes)
        fields = [pa.field(name, type_) for name, type_ in kind.columns.items()]
        if kind.geometry:
            fields.append(pa.field(GEOMETRY, pa.binary()))
        self.schema = pa.schema([*fields, *self._quarantine.fields])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows of all files; raises ``Unreadable``."""
        things: list[Thing] = []
        read = 0
        for file in self.files:
            document = Document(file)
            for thing in document.things():
                things.append(thing)
                if len(things) == BATCH_ROWS:
                    yield self._batch(things, read)
                    read += len(things)
                    things = []
            self._tell(document, file)
        if things:
            yield self._batch(things, read)

    def _tell(self, document: Document, file: Path) -> None:
        if document.unknown:
            listed = ", ".join(f"{name} ({count:,} times)" for name, count in sorted(document.unknown.items())[:10])
            self.notes.warn(
                "elements_not_read",
                f"{file.name!r} has elements that no column is known for. They were not read: {listed}.",
                "Tell those who maintain this program, if what they say is wanted.",
                self._place,
            )

    def _batch(self, things: list[Thing], read: int) -> pa.RecordBatch:
        columns = [
            pa.array([self._value(row, thing, name, type_, read) for row, thing in enumerate(things)], type_)
            for name, type_ in self._kind.columns.items()
        ]
        raw = [*columns]
        if self.geometry:
            columns.append(self._geometries(things, read))
        columns += self._quarantine.columns(len(things), [*self._kind.columns], raw)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _value(self, row: int, thing: Thing, name: str, type_: pa.DataType, read: int) -> object:
        texts = thing.values.get(name)
        if texts is None or pa.types.is_list(type_):
            return texts
        try:
            (text,) = texts
            return value_of(text, type_)
        except ValueError:
            said = " and ".join(repr(each[:40]) for each in texts[:3])
            problem = Unreadable(
                "bad_value",
                f"The column {name!r} of feature {read + row + 1:,} cannot be {said}.",
                "Correct the value.",
                self._where(read + row, thing),
            )
            self._quarantine.meet("value", row, problem, name, " ".join(texts))
            return None

    def _geometries(self, things: list[Thing], read: int) -> pa.Array:
        def problem(row: int) -> Unreadable:
            said = things[row].damaged or "it is no GML"
            return Unreadable(
                "damaged_geometry",
                f"The geometry of feature {read + row + 1:,} is damaged: {said}.",
                "Repair or remove it.",
                self._where(read + row, things[row]),
            )

        geometries: list[bytes | None] = []
        for row, thing in enumerate(things):
            readable = thing.geometry and not thing.damaged
            geometries.append(self._wkb(thing.geometry) if readable else None)
            if thing.damaged or (geometries[-1] is None and thing.geometry):
                self._quarantine.meet("geometry", row, problem(row))
            self._gdal.complaints.take()  # of GML that is damaged
        array = pa.array(geometries, pa.binary())
        return geometry_column.normalised(array, self._gdal, self.notes.counts, self._quarantine, problem, vouched=True)

    def _wkb(self, gml: str) -> bytes | None:
        """A geometry of GML; None where it is none."""
        geometry = self._create(gml.encode())
        if not geometry:
            return None
        try:
            return self._gdal.wkb(geometry)
        finally:
            self._gdal.OGR_G_DestroyGeometry(geometry)

    def _where(self, number: int, thing: Thing) -> str:
        return f"{self._place}, feature {number + 1}, line {thing.line}"
