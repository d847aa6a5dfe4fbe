"""A dataset version: what the lake holds, as the ledger says."""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag, model_validator

from libs.models.base import BBox, Identifier, Moment, Record, Sha256
from libs.models.document import Document
from libs.models.growth import Growth
from libs.models.quality import RuleResult

_LAKE_URI = re.compile(r"^s3://[^/]+/")


class FileRole(StrEnum):
    """What the files of a version are for. A later release may have more."""

    DATA = "data"
    """The dataset itself, or a part of it."""
    REJECTS = "rejects"
    """Source rows that a policy set aside."""


class LakeFile(Record):
    """One immutable object of a dataset version.

    Attributes:
        key: In the lake: ``<dataset_id>/v<N>/<name>``. Where the lake is, the settings say: it may be moved or renamed.
        bytes: Size.
        features: Rows in this file; None for a file without rows.
        role: A :class:`FileRole`, or one of a later release.
    """

    key: str
    sha256: Sha256
    bytes: int
    features: int | None = None
    role: str = FileRole.DATA.value

    @model_validator(mode="before")
    @classmethod
    def _without_place(cls, fields: Any) -> Any:
        """Earlier releases recorded the whole URI, ``s3://<lake bucket>/<key>``."""
        if isinstance(fields, dict) and "key" not in fields and isinstance(uri := fields.get("uri"), str):
            kept = {name: value for name, value in fields.items() if name != "uri"}
            return {"key": _LAKE_URI.sub("", uri), **kept}
        return fields

    @property
    def name(self) -> str:
        """Its name in the folder of its version."""
        return self.key.rpartition("/")[2]


class Field(Record):
    """A column of the written file: its name and its Arrow type as text (``int64``, ``timestamp[us, tz=UTC]``)."""

    name: str
    type: str


class Changes(Record):
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

    @property
    def set_aside(self) -> int:
        """Features that a policy set aside; they are in the file with the role ``rejects``."""
        return self.counts.get("set_aside", 0)


class TableSummary(Record):
    """What is in a table.

    Attributes:
        features: Rows in all data files.
        table_schema: Columns in file order.
        meanings: By column, what its source says of it, in few words: a title, the name of its domain. All of it is in the file.
    """

    kind: Literal["table"] = "table"
    features: int
    table_schema: tuple[Field, ...]
    meanings: dict[str, str] = {}


class VectorSummary(Record):
    """What is in a layer.

    Attributes:
        features: Rows in all data files.
        crs: Authority code (``EPSG:4326``), or WKT2 where there is none; None for local coordinates.
        bbox: Extent in the units of ``crs``; None when nothing has an extent.
        geometry_types: As GeoParquet names them (``Polygon``, ``MultiPolygon Z``), sorted.
        table_schema: Columns in file order.
        meanings: See :class:`TableSummary`.
    """

    kind: Literal["vector"] = "vector"
    features: int
    crs: str | None
    bbox: BBox | None
    geometry_types: tuple[str, ...]
    table_schema: tuple[Field, ...]
    meanings: dict[str, str] = {}


class RasterBand(Record):
    """A band of a raster.

    Attributes:
        type: Of its pixels: ``uint8``, ``float32``.
        colour: What it means in a picture, as GDAL says it: ``gray``, ``red``, ``palette``, ``alpha``, ``undefined``.
        nodata: The value of pixels without data, as text; None where there is none.
        scale: What a value is multiplied with to come to its unit; then ``offset`` is added.
        valid: Pixels with data; of them alone the statistics tell. None each where there is none.
        histogram: Counts of values in bins of the width ``step``, the first of which begins at ``start``.
        categories: What the values 0, 1, 2 ... mean.
    """

    type: str
    name: str = ""
    colour: str = "undefined"
    nodata: str | None = None
    unit: str = ""
    scale: float | None = None
    offset: float | None = None
    valid: int = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None
    histogram: tuple[int, ...] = ()
    start: float | None = None
    step: float | None = None
    categories: tuple[str, ...] = ()


class RasterSummary(Record):
    """What is in a raster.

    Attributes:
        width: Pixels in a row.
        height: Rows.
        crs: See :class:`VectorSummary`.
        bbox: Extent in the units of ``crs``; None where only ground control points or a camera model say where it lies.
        transform: GDAL's geotransform: x of the upper left corner, x per column, x per row; then the same for y.
        resolution: Size of a pixel in the units of ``crs``.
        pixel_is_point: Whether values are those of points, and not of areas.
        mask: Whether a mask says where there is data.
        overviews: Width and height of each, the largest first.
        resampling: How they were made: ``average``, or ``mode`` for categories.
    """

    kind: Literal["raster"] = "raster"
    width: int
    height: int
    crs: str | None
    bbox: BBox | None
    transform: tuple[float, ...] | None
    resolution: tuple[float, float] | None
    pixel_is_point: bool = False
    bands: tuple[RasterBand, ...]
    mask: bool = False
    overviews: tuple[tuple[int, int], ...] = ()
    resampling: str
    tile: int
    compression: str = "DEFLATE"


class OtherSummary(Record):
    """What is in a version of a kind that a later release has: kept as it is."""

    kind: str


_KINDS = {"raster", "table", "vector"}


def _tag(summary: Any) -> str:
    kind = summary.get("kind") if isinstance(summary, dict) else getattr(summary, "kind", None)
    return kind if kind in _KINDS else "other"


Summary = Annotated[
    Annotated[VectorSummary, Tag("vector")]
    | Annotated[TableSummary, Tag("table")]
    | Annotated[RasterSummary, Tag("raster")]
    | Annotated[OtherSummary, Tag("other")],
    Discriminator(_tag),
]
"""A summary of the version's own kind. A further kind is a model with its ``kind``, a member here, and a name in ``_KINDS``."""


class Owner(Record):
    """Who a dataset belongs to: who delivered its first version.

    Attributes:
        project: ``metadata.project`` of that delivery.
    """

    project: str | None = None
    uploader: str

    def __str__(self) -> str:
        return f"the project {self.project!r} (uploader {self.uploader!r})" if self.project else f"the uploader {self.uploader!r}"


class Asset(Document):
    """A dataset version that exists (collection ``assets``). It owns the prefix ``<dataset_id>/v<N>/`` of the lake.

    Attributes:
        title: What the uploader called it: the name of the file, and of the layer if there are several; None for several inputs.
        previous: Number of the version that it was compared with when it was made; None when there was none.
        owner: Of the dataset, handed on from version to version. Versions of earlier releases do not say: then the lineage of
            the first one does.
        summary: What is in it, by its kind.
        files: All of them, the data first.
        growth: What the delivery did to the version before; None where it replaced it.
        rules: What each quality rule found.
    """

    dataset_id: Identifier
    version: int
    title: str | None = None
    previous: int | None = None
    owner: Owner | None = None
    run_id: str
    batch_id: Identifier
    created_at: Moment
    summary: Summary
    changes: Changes
    files: tuple[LakeFile, ...]
    growth: Growth | None = None
    rules: tuple[RuleResult, ...] = ()

    @classmethod
    def upgraded(cls, document: dict[str, Any]) -> dict[str, Any]:
        """In format 1, the summary's fields were the asset's own."""
        if "summary" in document or "table_schema" not in document:
            return document
        names = ("features", "crs", "bbox", "geometry_types", "table_schema", "meanings")
        summary = {name: document.pop(name) for name in names if name in document}
        columns = {field["name"] if isinstance(field, dict) else field.name for field in summary["table_schema"]}
        if "geom" in columns or summary.get("geometry_types"):
            return document | {"summary": summary | {"kind": "vector"}}
        kept = {name: value for name, value in summary.items() if name not in {"crs", "bbox", "geometry_types"}}
        return document | {"summary": kept | {"kind": "table"}}

    @property
    def id(self) -> str:
        """``_id``: ``<dataset_id>@<N>``."""
        return f"{self.dataset_id}@{self.version}"

    @property
    def kind(self) -> str:
        """``vector``, ``table``, ``raster``, or a kind of a later release."""
        return self.summary.kind

    @property
    def data(self) -> tuple[LakeFile, ...]:
        """The files with the dataset itself: one, or parts in order."""
        return tuple(file for file in self.files if file.role == FileRole.DATA)

    @property
    def features(self) -> int | None:
        """Rows in all data files; None for a kind without rows."""
        return getattr(self.summary, "features", None)

    @property
    def has_geometry(self) -> bool:
        """Whether it is a layer, and no table."""
        return self.kind == "vector"

    @property
    def crs(self) -> str | None:
        """See :class:`VectorSummary`; None for a table."""
        return getattr(self.summary, "crs", None)

    @property
    def bbox(self) -> BBox | None:
        """See :class:`VectorSummary`; None for a table."""
        return getattr(self.summary, "bbox", None)

    @property
    def geometry_types(self) -> tuple[str, ...]:
        """See :class:`VectorSummary`; empty for a table."""
        return tuple(getattr(self.summary, "geometry_types", ()))

    @property
    def table_schema(self) -> tuple[Field, ...]:
        """Columns in file order; empty for a kind without columns."""
        return tuple(getattr(self.summary, "table_schema", ()))

    @property
    def meanings(self) -> dict[str, str]:
        """See :class:`TableSummary`; empty for a kind without columns."""
        return dict(getattr(self.summary, "meanings", {}))
