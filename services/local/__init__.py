"""The real services on loopback, without images: MinIO, a server of the MongoDB protocol, PostGIS.

Only the standard library is used, so that they can be had before the project's environment is. Everything that a service keeps
(data, log, ports, passwords, processes) lies in its folder, so that several sets run side by side, and each is found again.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.local.minio import MinIO
from services.local.mongodb import MongoDB
from services.local.postgis import PostGIS
from services.local.service import LocalServiceError, Service

__all__ = ["LocalServiceError", "LocalServices", "MinIO", "MongoDB", "PostGIS", "Service", "throwaway_services"]


class LocalServices:
    """The three services of one folder."""

    def __init__(self, folder: Path) -> None:
        self.minio = MinIO(folder / "minio")
        self.mongodb = MongoDB(folder / "mongodb")
        self.postgis = PostGIS(folder / "postgis")
        self.all: tuple[Service, ...] = (self.minio, self.mongodb, self.postgis)


@contextmanager
def throwaway_services() -> Iterator[LocalServices]:
    """Services of a temporary home, none started yet; ended and removed with the context."""
    home = Path(tempfile.mkdtemp(prefix="services-"))
    home.chmod(0o711)  # PostgreSQL, which refuses to run as root, must come through
    services = LocalServices(home / "services")
    try:
        yield services
    finally:
        for each in services.all:
            each.kill()
        shutil.rmtree(home)
