"""What the worker asks of a format: to open a file. Everything about formats starts here."""

from abc import ABC, abstractmethod
from pathlib import Path

from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import OpenFile, Request


class FileReader(ABC):
    """Reads one file of a request. A folder of ``formats/`` offers its own as ``Reader`` in its module ``reader``.

    A format that GDAL reads derives from ``ogr.reader.OgrReader`` and overrides its hooks. One with its own parser derives from
    this class, and adds ``LayerReader`` objects to ``opened``.

    Attributes:
        gdal: The library.
        path: The main file.
        prefix: Of the names of its layers: files of one archive may have layers of the same name.
        request: What is asked for.
        opened: Takes the layers.
        notes: Takes warnings about the file.
    """

    def __init__(self, gdal: Gdal, path: Path, prefix: str, request: Request, opened: OpenFile) -> None:
        self.gdal, self.path, self.prefix, self.request = gdal, path, prefix, request
        self.opened, self.notes = opened, opened.notes

    @abstractmethod
    def open(self) -> None:
        """Add the names of all layers, and the layers that are wanted, to ``opened``.

        Raises:
            Unreadable: when the file is not what it is declared as.
        """

    def add_name(self, layer: str) -> bool:
        """Add the name of a layer, with its prefix. Whether the layer is wanted."""
        self.opened.names.append(layer)
        return self.request.wants(layer)
