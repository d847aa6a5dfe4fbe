"""A relation: what is known of a table before any row of it is seen."""

from typing import Self

from pydantic import model_validator

from libs.column_names import GEOMETRY, RESERVED_NAMES, RESERVED_PREFIX
from libs.models import Model


class Column(Model):
    """An attribute column.

    Attributes:
        name: As in the source, or as a step renamed it.
        type: Arrow type as text: ``int64``, ``string``, ``timestamp[us, tz=UTC]``, ``list<item: string>``.
    """

    name: str
    type: str


class Relation(Model):
    """Columns, whether there is a geometry, and its CRS.

    Attributes:
        columns: Attributes in order, names unique even where case does not count: SQL engines ignore case.
        geometry: Whether there is a column ``geom``.
        crs: ``EPSG:4326``-like authority code or WKT2 of the geometry; None without geometry, and where the
            coordinates are local.
        crs_assumed: Whether it is the default of a format, as the file names none.
    """

    columns: tuple[Column, ...]
    geometry: bool
    crs: str | None = None
    crs_assumed: bool = False

    @model_validator(mode="after")
    def _names_are_usable(self) -> Self:
        seen: set[str] = set()
        for column in self.columns:
            check_name(column.name)
            folded = column.name.casefold()
            if folded in seen:
                raise ValueError(f"there are two columns {column.name!r}, if case does not count")
            seen.add(folded)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attribute columns, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column | None:
        """The column of exactly this name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)


def check_name(name: str) -> None:
    """Check that an attribute column may have a name.

    Raises:
        ValueError: saying why not.
    """
    folded = name.casefold()
    if not name or "\0" in name:
        raise ValueError("a name has at least one character, and no NUL")
    if folded in RESERVED_NAMES:
        raise ValueError(f"{folded!r} is the {'geometry' if folded == GEOMETRY else 'extent'}")
    if folded.startswith(RESERVED_PREFIX):
        raise ValueError(f"names that begin with {RESERVED_PREFIX!r} are kept for the platform's own use")


EXAMPLE = Relation(columns=(Column(name="id", type="int64"), Column(name="name", type="string")), geometry=True, crs="EPSG:25832")
"""What SQL is shown for, where nothing else is said."""

EXAMPLE_INPUT = EXAMPLE.model_copy(
    update={"columns": (Column(name="id", type="int64"), Column(name="value", type="double")), "crs": "EPSG:4326"}
)
"""The same for a named input."""
