"""A dataset version: what the lake holds, as the ledger says."""

from libs.column_names import GEOMETRY
from libs.models.base import BBox, Document, Identifier, Model, Moment, Sha256


class LakeFile(Model):
    """One immutable object of a dataset version.

    Attributes:
        uri: ``s3://<lake bucket>/<dataset_id>/v<N>/data.parquet``.
        bytes: Size.
        features: Rows in this file.
    """

    uri: str
    sha256: Sha256
    bytes: int
    features: int


class Field(Model):
    """A column of the written file: its name and its Arrow type as text (``int64``, ``timestamp[us, tz=UTC]``)."""

    name: str
    type: str


class Changes(Model):
    """What the way from the source to the lake changed, counted. All zero: nothing was.

    Attributes:
        repaired: Invalid geometries made valid, none of a lower dimension: those count as ``collapsed``.
        linearized: Curved geometries turned into lines.
        dropped: Features left out, by the step that did it (``filter``, ``clip``).
        renamed: Source name to name in the lake, of columns that collided or that the recipe renames.
        counts: Any further count, by a stable name (``simplified``, ``kept_as_3d``, ``m_values_dropped``).
    """

    repaired: int = 0
    linearized: int = 0
    dropped: dict[str, int] = {}
    renamed: dict[str, str] = {}
    counts: dict[str, int] = {}


class Asset(Document):
    """A dataset version that exists (collection ``assets``).

    Attributes:
        title: What the uploader called it: the name of the file, and of the layer if there are several; None for several inputs.
        features: Rows in all files.
        crs: Authority code (``EPSG:4326``), or WKT2 where there is none; None for a table, and for local coordinates.
        bbox: Extent in the units of ``crs``; None when nothing has an extent.
        geometry_types: As GeoParquet names them (``Polygon``, ``MultiPolygon Z``), sorted; empty for a table.
        table_schema: Columns in file order.
        meanings: By column, what its source says of it, in few words: a title, the name of its domain. All of it is in the file.
    """

    dataset_id: Identifier
    version: int
    title: str | None = None
    run_id: str
    batch_id: Identifier
    created_at: Moment
    features: int
    crs: str | None
    bbox: BBox | None
    geometry_types: tuple[str, ...]
    table_schema: tuple[Field, ...]
    changes: Changes
    files: tuple[LakeFile, ...]
    meanings: dict[str, str] = {}

    @property
    def id(self) -> str:
        """``_id``: ``<dataset_id>@<N>``."""
        return f"{self.dataset_id}@{self.version}"

    @property
    def has_geometry(self) -> bool:
        """Whether it is a layer, and no table."""
        return any(field.name == GEOMETRY for field in self.table_schema)
