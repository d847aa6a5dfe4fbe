"""PostGIS: compute."""

from pathlib import Path

from services.local import build
from services.local.postgresql import Cluster
from services.local.service import ADMINISTRATOR, HOST, Service

DATABASE = "spatial_etl"

_CONFIGURATION = Path(__file__).parent.parent / "postgis" / "postgresql.conf"


class PostGIS(Service):
    """A PostgreSQL cluster with a database that has PostGIS."""

    name = "postgis"
    settings = ("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")

    @property
    def running(self) -> bool:  # noqa: D102
        return self.cluster.running

    def build(self) -> None:  # noqa: D102
        build.install_postgresql()

    def start(self) -> None:  # noqa: D102
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cluster.start()
        if not self.cluster.query(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):
            self.cluster.query(f"CREATE DATABASE {DATABASE}")
        self.cluster.query("CREATE EXTENSION IF NOT EXISTS postgis", DATABASE)
        parts = "extversion, postgis_geos_version(), postgis_proj_version()"
        postgis, geos, proj = self.cluster.query(f"SELECT {parts} FROM pg_extension WHERE extname = 'postgis'", DATABASE).split(
            "|"
        )
        on = f"GEOS {geos.split('-')[0]}, PROJ {proj.split(' ')[0]}, {build.postgresql().version}"
        self.memory.set("port", self.cluster.port)
        self.memory.set("version", f"PostGIS {postgis} with {on}")

    def stop(self) -> None:  # noqa: D102
        self.cluster.stop()

    def kill(self) -> None:  # noqa: D102
        self.cluster.kill()

    @property
    def environment(self) -> dict[str, str]:  # noqa: D102
        reached = (HOST, str(self.cluster.port), ADMINISTRATOR, self.cluster.password, DATABASE)
        return dict(zip(self.settings, reached, strict=True))

    @property
    def cluster(self) -> Cluster:
        """Its server."""
        return Cluster(self.folder, self.memory, _CONFIGURATION)
