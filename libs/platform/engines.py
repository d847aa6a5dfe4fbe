"""The compute engines that the settings can choose. A further engine is an entry here and a folder in ``libs/compute``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from libs.models import ServiceUnavailable

if TYPE_CHECKING:
    from libs.models.settings import Settings

_SETTING = "SPATIAL_ETL_ENGINE"


@dataclass(frozen=True)
class EngineEntry:
    """An engine.

    Attributes:
        name: Value of ``SPATIAL_ETL_ENGINE``, and name in the lineage.
        path: Module and class, imported only when the engine is opened. See :class:`libs.compute.engine.ComputeEngine`.
        server: Setting that names its server, which it needs. Where that is set, the engine is the default. None: no server.
        extra: The optional part of the installation that it needs; see ``libs.platform.extras``.
    """

    name: str
    path: str
    server: str | None = None
    extra: str | None = None


ENGINES: Sequence[EngineEntry] = (
    EngineEntry("postgis", "libs.compute.postgis:PostGISEngine", server="POSTGRES_HOST", extra="postgis"),
    EngineEntry("duckdb", "libs.compute.duckdb:DuckDBEngine"),
)
"""In the order in which they are taken as default. The last one needs no server."""


@dataclass(frozen=True)
class EngineChoice:
    """The engine in force, and why.

    Attributes:
        reason: ``SPATIAL_ETL_ENGINE is set``, ``POSTGRES_HOST is set``, ``no server for compute is set``.
    """

    entry: EngineEntry
    reason: str

    @property
    def name(self) -> str:
        """Of the engine."""
        return self.entry.name


def choose_engine(settings: "Settings", engines: Sequence[EngineEntry] = ENGINES) -> EngineChoice:
    """The engine that ``SPATIAL_ETL_ENGINE`` names; without it, the first whose server is set, else the one without a server.

    Raises:
        ServiceUnavailable: when there is no such engine, or its server is not set.
    """
    wanted = settings.spatial_etl_engine
    if wanted is None:
        for entry in engines:
            if entry.server is None:
                return EngineChoice(entry, "no server for compute is set")
            if _is_set(settings, entry.server):
                return EngineChoice(entry, f"{entry.server} is set")
    found = next((entry for entry in engines if entry.name == wanted), None)
    if found is None:
        known = " or ".join(sorted(repr(entry.name) for entry in engines))
        raise ServiceUnavailable("the compute engine", f"{_SETTING} is {wanted!r}; give {known}, or leave it out.", _SETTING)
    if found.server is not None and not _is_set(settings, found.server):
        problem = f"{_SETTING} is {wanted!r}, but {found.server} is not set. Set it to the host name of the server."
        raise ServiceUnavailable("the compute engine", problem, f"{found.server} and {_SETTING}")
    return EngineChoice(found, f"{_SETTING} is set")


def _is_set(settings: "Settings", name: str) -> bool:
    return bool(getattr(settings, name.lower()))
