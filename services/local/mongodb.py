"""A server of the MongoDB protocol: the ledger. FerretDB, on a PostgreSQL cluster of its own."""

import socket
from pathlib import Path

from services.local import build
from services.local.daemon import Daemon
from services.local.postgresql import Cluster
from services.local.service import ADMINISTRATOR, HOST, Service

_CONFIGURATION = Path(__file__).parent.parent / "mongodb" / "postgresql.conf"


class MongoDB(Service):
    """FerretDB and the PostgreSQL that it keeps its documents in, as one service.

    Who may connect is checked by PostgreSQL: users are its roles, and clients send their password as it is (``PLAIN``).
    """

    name = "mongodb"
    settings = ("MONGO_CONNECTION_STRING", "MONGO_DATABASE")

    @property
    def running(self) -> bool:  # noqa: D102
        return self._daemon.running and self.cluster.running

    def build(self) -> None:  # noqa: D102
        build.install_postgresql()
        build.ferretdb().build()

    def start(self) -> None:  # noqa: D102
        program = build.ferretdb()
        executable = program.path
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cluster.start()
        if self._daemon.running:
            return
        port = self.memory.free_port("port")
        database = f"postgres://{HOST}:{self.cluster.port}/postgres?sslmode=disable"
        self._daemon.start([executable, "-listen", f"{HOST}:{port}", "-postgresql", database], {}, self.folder)
        self._daemon.wait_until(self._answers)
        self.memory.set("version", f"FerretDB {program.version} on {build.postgresql().version}")

    def stop(self) -> None:  # noqa: D102
        self._daemon.stop()
        self.cluster.stop()

    def kill(self) -> None:  # noqa: D102
        self._daemon.kill()
        self.cluster.kill()

    @property
    def environment(self) -> dict[str, str]:  # noqa: D102
        url = f"mongodb://{ADMINISTRATOR}:{self.cluster.password}@{self.address}/?authMechanism=PLAIN"
        return dict(zip(self.settings, (url, "spatial_etl"), strict=True))

    @property
    def cluster(self) -> Cluster:
        """Where the documents are kept."""
        return Cluster(self.folder, self.memory, _CONFIGURATION)

    @property
    def _daemon(self) -> Daemon:
        return Daemon("ferretdb", self.memory, self.folder / "ferretdb.log")

    def _answers(self) -> bool:
        try:
            socket.create_connection((HOST, self.memory.get("port")), timeout=5).close()
        except OSError:
            return False
        return True
