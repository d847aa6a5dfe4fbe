"""The tables of a seamless one, held against each other: GDAL reads all with the columns and the CRS of the first.

No upstream issue is known (GDAL 3.12.4).
"""

from dataclasses import dataclass
from pathlib import Path

from libs.spatial_utils.charset import charset_of
from libs.spatial_utils.seamless import component_names, find
from libs.spatial_utils.worker.formats.dbase_records import deleted_records
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.ogr.reference import crs_of
from libs.spatial_utils.worker.protocol import Unreadable


@dataclass(frozen=True)
class _Table:
    columns: list[tuple[str, int]]
    crs: dict[str, str] | None
    count: int


def components_of(path: Path) -> list[Path]:
    """The tables of a seamless one, which the reading side has found; none for any other file."""
    if path.suffix.lower() != ".tab":
        return []
    return [found for name in component_names(path) if (found := find(path.parent, name))]


def charset_source(path: Path, components: list[Path]) -> Path | None:
    """The file that names the character set of all texts; None where there are several."""
    if not components:
        return path
    return components[0] if len({charset_of(component) for component in components}) == 1 else None


def checked_count(gdal: Gdal, driver: str, components: list[Path]) -> int:
    """The number of features of all tables.

    Raises:
        Unreadable: ``schema_mismatch`` and ``crs_mixed`` where a table differs from the first, ``damaged``.
    """
    first, total = None, 0
    for component in components:
        table = _opened(gdal, driver, component)
        first = first or table
        if table.columns != first.columns:
            raise Unreadable(
                "schema_mismatch",
                f"The tables of the seamless table have different columns or types: {_shown(components[0], first)}; "
                f"{_shown(component, table)}.",
                "Make them alike, or submit the tables as files of their own, without the seamless one.",
                component.name,
            )
        if table.crs != first.crs:
            raise Unreadable(
                "crs_mixed",
                f"The tables {components[0].name!r} and {component.name!r} of the seamless table have different CRSs.",
                "Write them in one, or submit the tables as files of their own, without the seamless one.",
                component.name,
            )
        total += table.count
    return total


def deleted_of(components: list[Path]) -> int:
    """Records of all tables that are marked as deleted."""
    return sum(deleted_records(component, ".dat") for component in components)


def _opened(gdal: Gdal, driver: str, path: Path) -> _Table:
    dataset = gdal.open(str(path), driver, [])
    if dataset is None:
        raise Unreadable(
            "damaged", f"The table {path.name!r} of the seamless table cannot be read.", "Upload it again.", path.name
        )
    try:
        layer = gdal.GDALDatasetGetLayer(dataset, 0)
        definition = gdal.OGR_L_GetLayerDefn(layer)
        fields = [gdal.OGR_FD_GetFieldDefn(definition, index) for index in range(gdal.OGR_FD_GetFieldCount(definition))]
        columns = [(gdal.OGR_Fld_GetNameRef(field).decode("utf-8", "replace"), gdal.OGR_Fld_GetType(field)) for field in fields]
        return _Table(columns, crs_of(gdal, gdal.OGR_L_GetSpatialRef(layer)), gdal.OGR_L_GetFeatureCount(layer, 1))
    finally:
        gdal.GDALClose(dataset)


def _shown(path: Path, table: _Table) -> str:
    return f"{path.name!r} has {', '.join(name for name, _ in table.columns)}"
