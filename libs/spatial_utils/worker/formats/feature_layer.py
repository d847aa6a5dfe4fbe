"""A layer of features that a reader has parsed itself: identifiers, properties, and geometries as GeoJSON has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import BATCH_ROWS, Notes, Request, Unreadable
from libs.spatial_utils.worker.quarantine import Quarantine
from libs.spatial_utils.worker.values.geometry_column import normalised
from libs.spatial_utils.worker.values.geometry_text import from_geojson
from libs.spatial_utils.worker.values.json_values import LostIntegers, inferred, name_of_ids


@dataclass(frozen=True)
class Feature:
    """A feature.

    Attributes:
        id: Its identifier, or None.
        properties: Its attributes.
        geometry: As in GeoJSON, or as WKB of any type; or what is wrong with it; or None.
    """

    id: Any
    properties: dict[str, Any]
    geometry: dict[str, Any] | bytes | Unreadable | None


def crs_of_2008(crs: Any) -> dict[str, str]:
    """What the member ``crs`` of GeoJSON of 2008 says, as ``LayerReader`` has it; longitude, latitude where it says nothing."""
    if crs is None:
        return {"default": "EPSG:4326"}
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return {"text": name} if isinstance(name, str) else {"unknown": repr(crs)[:60]}


def member_of(collection: str, member: Any, number: int, place: str) -> dict[str, Any]:
    """A member of a collection, which has to be a feature.

    Args:
        collection: What the message calls it.
        member: As JSON has it.
        number: Of the member, from 1.
        place: For problems.

    Raises:
        Unreadable: ``damaged``.
    """
    if isinstance(member, dict) and member.get("type") == "Feature" and isinstance(member.get("properties"), dict | None):
        return member
    raise Unreadable(
        "damaged",
        f"Member {number:,} of {collection} is no feature.",
        'A feature is an object with "type": "Feature", and its \'properties\' are an object or null.',
        place,
    )


class FeatureLayer:
    """Features as a layer; see ``LayerReader``.

    Args:
        gdal: Checks the geometries.
        name: Of the layer.
        features: In their order.
        crs: As ``LayerReader`` has it.
        request: Says whether a table is wanted, and what becomes of geometries that cannot be read.

    Raises:
        Unreadable: ``type_mismatch`` for a table with geometry; for values that no column keeps.
    """

    def __init__(self, gdal: Gdal, name: str, features: Sequence[Feature], crs: dict[str, str] | None, request: Request) -> None:
        self._gdal, self._features, self.name, self.notes = gdal, features, name, Notes()
        self._place = f"layer {name}"
        if request.tabular and any(feature.geometry is not None for feature in features):
            raise Unreadable(
                "type_mismatch",
                f"The file is declared as tabular, but the layer {name!r} has geometry.",
                'Write "type": "vector", or choose a \'layer\' without geometry.',
                self._place,
            )
        self.geometry = not request.tabular
        self._quarantine = Quarantine(request.policies, self.notes)
        self.claimed: int | None = len(features)
        self.crs = crs if self.geometry else None
        self._lost = LostIntegers(self._quarantine, self._place)
        self._columns = dict(self._made())
        fields = [pa.field(column, values.type) for column, values in self._columns.items()]
        if self.geometry:
            fields.append(pa.field(GEOMETRY, pa.binary()))
        self.schema = pa.schema([*fields, *self._quarantine.fields])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; raises ``Unreadable`` on a geometry that is not valid GeoJSON, where the policy is to reject."""
        for first in range(0, len(self._features), BATCH_ROWS):
            features = self._features[first : first + BATCH_ROWS]
            columns = [values.slice(first, len(features)) for values in self._columns.values()]
            attributes = list(columns)
            self._lost.meet(first, len(features))
            if self.geometry:
                columns.append(self._geometries(features, first))
            columns += self._quarantine.columns(len(features), list(self._columns), attributes)
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _made(self) -> Iterator[tuple[str, pa.Array]]:
        rows = [feature.properties for feature in self._features]
        names = dict.fromkeys(name for row in rows for name in row)
        ids = [feature.id for feature in self._features]
        if any(each is not None for each in ids) and ids != [row.get("id") for row in rows]:
            name = name_of_ids(names)
            yield name, inferred(ids, name, self._place, self._lost.of(name))
        for name in names:
            yield name, inferred([row.get(name) for row in rows], name, self._place, self._lost.of(name))
        if not names and not self.geometry and not any(each is not None for each in ids):
            yield "fid", pa.array(range(1, len(rows) + 1), pa.int64())

    def _geometries(self, features: Sequence[Feature], first: int) -> pa.Array:
        def damaged(row: int) -> Unreadable:
            return self._damaged(first + row + 1)

        rows: list[bytes | None] = []
        for row, feature in enumerate(features):
            shape = feature.geometry
            if isinstance(shape, dict):
                shape = from_geojson(shape) or damaged(row)
            if isinstance(shape, Unreadable):
                self._quarantine.meet("geometry", row, shape)
                shape = None
            rows.append(shape)
        geometry = pa.array(rows, pa.binary())
        return normalised(geometry, self._gdal, self.notes.counts, self._quarantine, damaged, vouched=False)

    def _damaged(self, number: int) -> Unreadable:
        return Unreadable(
            "damaged_geometry",
            f"The geometry of feature {number:,} is damaged, or is of a type that is not known.",
            "A position is a list of two or three numbers, as many in all of a geometry; a geometry that is missing is null.",
            f"{self._place}, feature {number}",
        )
