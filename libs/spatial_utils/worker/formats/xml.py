"""Formats of XML that GDAL reads: a guard looks through the file before, and once more at the columns that GDAL found."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from libs.spatial_utils.worker.formats.bad_features import Bad, without
from libs.spatial_utils.worker.formats.markup import XmlGuard
from libs.spatial_utils.worker.formats.patching import LARGEST_COPY, patched
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.quarantine import NULL, SET_ASIDE

_KINDS = ("geometry", "value")


class XmlReader(OgrReader):
    """See ``OgrReader``.

    Attributes:
        guards: The class of the format's guard.
        guard: What has been seen of the file.
    """

    guards: ClassVar[type[XmlGuard]]
    guard: XmlGuard

    def prepare(self) -> None:
        """Tell the guard what it has to know before it looks at the file."""
        policies = self.request.policies
        self.guard.may_keep = self.path.stat().st_size <= LARGEST_COPY
        if self.guard.may_keep:
            self.guard.keeps = frozenset(kind for kind in _KINDS if policies.get(f"on_bad_{kind}") in {SET_ASIDE, NULL})

    def check_before(self) -> None:
        """See ``OgrReader``. In the place of what cannot be read GDAL gets something else, which is forgotten."""
        self.guard = self.guards(self.notes)
        self.prepare()
        self.guard.scan(self.path)
        self.guard.after(self.path)
        if self.guard.patches:
            self.source = self.gdal.held(patched(self.path.read_bytes(), sorted(self.guard.patches)), self.path.name)

    def check_opened(self) -> None:
        """See ``OgrReader``."""
        self.guard.check_whole()

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """See ``OgrReader``."""
        self.classify()  # what GDAL says comes before what the texts show
        self.guard.check_columns({layer.own_name: layer.schema for layer in layers}, self.column_names())
        there = {self.gdal.OGR_L_GetName(handle).decode("utf-8", "replace") for handle in self.handles}
        if self.guard.bad.keys() - there:
            raise self.guard.first_bad

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """See ``OgrReader``."""
        bad = self.guard.bad.get(layer.own_name)
        return self._with_bad(layer, bad) if bad else super().rows(layer)

    def _with_bad(self, layer: OgrLayer, bad: Mapping[int, Sequence[Bad]]) -> Iterator[pa.RecordBatch]:
        """The rows, some of them without something that cannot be read.

        Raises:
            Unreadable: one of the problems, where GDAL finds other features than the guard: then their numbers are not known.
        """
        read = 0
        for batch in super().rows(layer):
            mine = {number - read: found for number, found in bad.items() if read <= number < read + batch.num_rows}
            yield without(batch, layer, mine)
            read += batch.num_rows
        if read != self.guard.counted(layer.own_name):
            raise self.guard.first_bad
