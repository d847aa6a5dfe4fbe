"""MapInfo TAB and MIF."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from libs.spatial_utils.worker.formats.bad_features import Bad, without
from libs.spatial_utils.worker.formats.dbase_records import deleted_records
from libs.spatial_utils.worker.formats.mapinfo import checks, seamless
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.quarantine import NULL, SET_ASIDE
from libs.spatial_utils.worker.values.text import Decoder


class Reader(OgrReader):
    """See ``OgrReader``."""

    _bad_dates: list[checks.BadDate]
    _components: list[Path]
    _in_components: int | None = None

    def check_before(self) -> None:
        """See ``OgrReader``; and the tables of a seamless one."""
        keeps = self.request.policies.get("on_bad_value") in {SET_ASIDE, NULL}
        self._bad_dates = checks.check_values(self.path, self.notes, keeps=keeps)
        self._components = seamless.components_of(self.path)
        if self._components:
            self._in_components = seamless.checked_count(self.gdal, self.request.driver, self._components)

    def layer_name(self, table: str) -> str:
        """A seamless table has its own name; GDAL gives that of its first table."""
        return self.path.stem if self._components else table

    def decoder(self, layer: OgrLayer) -> Decoder | None:
        """See ``OgrReader``."""
        source = seamless.charset_source(self.path, self._components)
        return None if source is None else checks.decoder(source, self.request.encoding, layer.notes)

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """See ``OgrReader``."""
        first = 0
        for batch in layer.streamed():
            bad = defaultdict[int, list[Bad]](list)
            for record, column, text, problem in self._bad_dates:
                if first <= record < first + batch.num_rows:
                    bad[record - first].append(Bad("value", problem, layer.names[column], text))
            yield without(batch, layer, bad)
            first += batch.num_rows

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:  # noqa: ARG002 - see OgrReader
        """See ``OgrReader``."""
        checks.check_count(self.path, read)
        if self._in_components is not None and read not in {self._in_components, self._without_deleted()}:
            raise Unreadable(
                "count_mismatch",
                f"The tables of the seamless table have {self._in_components:,} features, but {read:,} can be read.",
                "Check the tables in MapInfo, or submit them as files of their own, without the seamless one.",
                layer.place,
            )

    def explains(self, layer: OgrLayer, read: int) -> bool:
        """Records that are marked as deleted are counted by the file, and not read."""
        if self._in_components is not None:
            return True  # compared already
        return read + deleted_records(self.path, ".dat" if self.path.suffix.lower() == ".tab" else ".dbf") == layer.claimed

    def _without_deleted(self) -> int:
        return (self._in_components or 0) - seamless.deleted_of(self._components)
