"""Files that GDAL reads: opened with the one driver that is declared. A format changes how by overriding hooks."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import pyarrow as pa

from libs.spatial_utils.worker.ogr.columns import Column
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRules, classify
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.reader import FileReader
from libs.spatial_utils.worker.values.text import Decoder


class OgrReader(FileReader):
    """Reads a file with GDAL. The hooks of this class do nothing, which is right for a plain format.

    The hooks, in the order in which they are called. For the file: ``check_before``, ``open_options``, ``check_opened``. For
    each layer: ``has_layer``, ``layer_name``, and if it is wanted ``passes_over``, ``decoder``, ``describe``, ``columns``. For
    the file: ``check_described``. While a layer is read: ``rows``, ``check_after``, ``explains``.

    Attributes:
        messages: What GDAL's messages mean for this format.
        time_zones_known: Whether GDAL has looked at the time zone of every value before it says which a column has.
        valid_wkb: Whether GDAL makes the geometries; else it hands on bytes of the file, and each has to be checked.
        source: What GDAL opens; ``check_before`` may put something else in the place of the file.
        dataset: GDAL's handle, once the file is open.
        handles: GDAL's handles of all layers.
    """

    messages: MessageRules = MessageRules()
    time_zones_known: ClassVar[bool] = False
    valid_wkb: ClassVar[bool] = True

    source: str
    dataset: int
    handles: Sequence[int] = ()

    def check_before(self) -> None:
        """Look at the file before GDAL does; raises ``Unreadable``."""

    def open_options(self) -> list[str]:
        """Open options of the driver, after those of the registry."""
        return []

    def check_opened(self) -> None:
        """Look at the file once GDAL has opened it; raises ``Unreadable``."""

    def has_layer(self, handle: int, table: str) -> bool:  # noqa: ARG002 - for those who override it
        """Whether the file has a layer that GDAL shows: some drivers always show the same ones.

        Args:
            handle: GDAL's handle of the layer.
            table: Its name for GDAL.
        """
        return True

    def layer_name(self, table: str) -> str:
        """The name of a layer, without a prefix.

        Args:
            table: Its name for GDAL.
        """
        return table

    def ignores_geometry(self) -> bool:
        """Whether a table is wanted and GDAL shows a geometry that belongs to another file."""
        return False

    def passes_over(self, table: str, layer: str) -> bool:  # noqa: ARG002 - for those who override it
        """Whether a layer is left out unless the manifest names it.

        Args:
            table: Its name for GDAL.
            layer: Its name with the prefix, as problems show it.
        """
        return False

    def decoder(self, layer: OgrLayer) -> Decoder | None:  # noqa: ARG002 - for those who override it
        """What decodes the text of a layer, or checks it again; None where it is always UTF-8."""
        return None

    def describe(self, layer: OgrLayer) -> None:
        """Change what is known of a layer before its columns are planned: CRS, count, key, size of batches, times."""

    def columns(self, layer: OgrLayer, columns: list[Column]) -> list[Column]:  # noqa: ARG002 - for those who override it
        """Change the columns of a layer: types, conversions, further columns."""
        return columns

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """Look at the file once all its layers are known; raises ``Unreadable``."""

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """Batches as GDAL would deliver them: columns by position, the geometry last, none of them empty."""
        return layer.streamed()

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:
        """Look at a layer once it has been read; raises ``Unreadable``.

        Args:
            layer: Which one.
            read: Number of its rows.
            missing: Number of those without geometry.
        """

    def explains(self, layer: OgrLayer, read: int) -> bool:  # noqa: ARG002 - for those who override it
        """Whether the rows that were read are all, although the file claims another number."""
        return False

    def open(self) -> None:
        """Add the layers of the dataset; see ``FileReader``."""
        gdal, opened = self.gdal, self.opened
        self.source = str(self.path)
        self.check_before()
        self._open_dataset()
        self.check_opened()
        self.handles = [
            gdal.GDALDatasetGetLayer(self.dataset, index) for index in range(gdal.GDALDatasetGetLayerCount(self.dataset))
        ]
        layers: list[OgrLayer] = []
        for handle in self.handles:
            table = gdal.OGR_L_GetName(handle).decode("utf-8", "replace")
            if not self.has_layer(handle, table):
                continue
            name = self.prefix + self.layer_name(table)
            if not self.add_name(name) or (self.request.layer != name and self.passes_over(table, name)):
                continue
            layers.append(OgrLayer(self, handle, name))
            opened.inferred |= layers[-1].inferred
        opened.layers += layers
        self.check_described(layers)
        self.classify()

    def classify(self, *, opening: bool = False) -> None:
        """Turn what GDAL has said of the file into warnings; raises ``Unreadable`` for a loss."""
        classify(self.gdal.complaints.take(), self.notes, self.path.name, self.messages, opening=opening)

    def column_names(self) -> Iterator[str]:
        """The names of the attributes of all layers, when they are wanted: GDAL reads a layer's definition for them."""
        for handle in self.handles:
            definition = self.gdal.OGR_L_GetLayerDefn(handle)
            for index in range(self.gdal.OGR_FD_GetFieldCount(definition)):
                field = self.gdal.OGR_FD_GetFieldDefn(definition, index)
                yield self.gdal.OGR_Fld_GetNameRef(field).decode("utf-8", "replace")

    def _open_dataset(self) -> None:
        driver = self.request.driver
        dataset = self.gdal.open(self.source, driver, [*self.request.options, *self.open_options()])
        self.classify(opening=dataset is None)
        if dataset is None:
            raise Unreadable(
                "unreadable",
                f"GDAL's {driver} reader finds nothing in {self.path.name!r} that it can read as features or tables.",
                "Check that it holds vector data (not only tiles or images), that it is whole, and that 'format' is right.",
            )
        self.dataset = dataset


Reader = OgrReader
"""For formats without a folder of their own."""
