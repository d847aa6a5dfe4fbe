"""The columns of an exported file: their names, their values in SQL, and what there is to say of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from libs.column_names import BBOX, GEOMETRY
from libs.compute.exporting.formats import AS_IT_IS, GEOPACKAGE, Conversion, Export, kind_of
from libs.models import Problem, Rejected


@dataclass(frozen=True)
class OutColumn:
    """A column of the exported file.

    Attributes:
        source: Its name in the lake.
        name: Its name in the file.
        conversion: How its values are written.
    """

    source: str
    name: str
    conversion: Conversion

    @property
    def value(self) -> str:
        """Its value in SQL."""
        return self.conversion.sql.replace("{c}", quoted(self.source))

    @property
    def lost(self) -> str:
        """How many features lose something, in SQL; empty where none can."""
        condition = self.conversion.lost.replace("{c}", quoted(self.source))
        return f"count(*) FILTER (WHERE {condition})" if condition else ""


def warnings_of(columns: Sequence["OutColumn"], lost: Sequence[int], export: Export) -> Iterator[Problem]:
    """What is said of columns; those of which the same is said together.

    Args:
        columns: They.
        lost: For each, how many features lose something.
        export: The format.
    """
    for column in columns:
        if column.name != column.source:
            yield Problem(
                code="export_renamed", where=f"column {column.source!r}", message=f"It is called {column.name!r} in the file.",
                remedy=f"{export.name} holds names of {export.name_bytes} bytes. GeoPackage and GeoParquet keep them.",
            )  # fmt: skip
    for told in dict.fromkeys(column.conversion.told for column in columns if column.conversion.told):
        names = [repr(column.source) for column in columns if column.conversion.told == told]
        where, they = (f"column {names[0]}", "It is") if len(names) == 1 else (f"columns {', '.join(names)}", "They are")
        yield Problem(code="export_type", where=where, message=f"{they} written {told}.",
                      remedy="Nothing is lost by it. GeoParquet keeps all types.")  # fmt: skip
    for column, losing in zip(columns, lost, strict=True):
        if losing:
            count = f"{losing:,} value{'' if losing == 1 else 's'}"
            yield Problem(
                code="export_values", where=f"column {column.source!r}",
                message=f"{count} cannot be held: such values {column.conversion.losing}.",
                remedy="Write GeoParquet to keep all values.",
            )  # fmt: skip


def columns_of(schema: pa.Schema, export: Export, names: Sequence[str] | None) -> tuple[OutColumn, ...]:
    """The attribute columns of the file.

    Args:
        schema: Of the lake file.
        export: The format.
        names: Those that are wanted, in this order; None: all.

    Raises:
        Rejected: naming columns that are not there, and those whose type the writer cannot read without loss.
    """
    there = [name for name in schema.names if name not in {GEOMETRY, BBOX}]
    wanted = there if names is None else list(dict.fromkeys(names))
    problems = [
        Problem(code="unknown_column", where=f"column {name!r}", message="There is no such column.",
                remedy=f"The columns: {', '.join(there) or 'none'}.")
        for name in wanted if name not in there
    ]  # fmt: skip
    kinds = {name: kind_of(schema.field(name).type) for name in wanted if name in there}
    problems += [
        Problem(code="unsupported_type", where=f"column {name!r}",
                message=f"Its type {schema.field(name).type} cannot be written to {export.name} without loss.",
                remedy="Name the other columns, or write GeoParquet, which keeps it.")
        for name, kind in kinds.items() if kind is None
    ]  # fmt: skip
    if problems:
        raise Rejected(problems)
    called = short_names(wanted, export.name_bytes) if export.name_bytes else wanted
    conversions = [export.conversions.get(kind, AS_IT_IS) if kind else AS_IT_IS for kind in kinds.values()]
    return tuple(map(OutColumn, wanted, called, conversions))


def short_names(names: Sequence[str], most: int) -> list[str]:
    """Names of at most so many bytes of UTF-8, unique where case does not count, like the ones given as far as possible.

    >>> short_names(["population_2020", "population_2021", "id"], 10)
    ['population', 'populati_1', 'id']
    """
    taken = {name.casefold() for name in names if len(name.encode()) <= most}
    short = []
    for name in names:
        if len(name.encode()) <= most:
            short.append(name)
            continue
        made, number = _cut(name, most), 0
        while made.casefold() in taken:
            number += 1
            made = f"{_cut(name, most - len(str(number)) - 1)}_{number}"
        taken.add(made.casefold())
        short.append(made)
    return short


def _cut(name: str, most: int) -> str:
    return name.encode()[:most].decode(errors="ignore")


def free_name(name: str, columns: Sequence[OutColumn]) -> str:
    """A name that no column has, where case does not count: GeoPackage's own key column needs one."""
    taken = {column.name.casefold() for column in columns}
    number = 0
    made = name
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    return made


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def creation_options(export: Export, columns: Sequence[OutColumn], *, indexed: bool) -> list[str]:
    """GDAL's options for a layer of the format."""
    if export is GEOPACKAGE:
        return [f"FID={free_name('fid', columns)}"]
    if export.driver == "FlatGeobuf":
        return [f"SPATIAL_INDEX={'YES' if indexed else 'NO'}"]
    return ["ENCODING=UTF-8"] if export.driver == "ESRI Shapefile" else []
