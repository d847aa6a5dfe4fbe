"""The real services on loopback, without images: MinIO, a server of the MongoDB protocol, PostGIS.

Only the standard library is used, so that they can be had before the project's environment is. Everything that a service keeps
(data, log, ports, passwords, processes) lies in its folder, so that several sets run side by side, and each is found again.
"""

from pathlib import Path

from services.local.minio import MinIO
from services.local.mongodb import MongoDB
from services.local.postgis import PostGIS
from services.local.service import LocalServiceError, Service

__all__ = ["LocalServiceError", "LocalServices", "MinIO", "MongoDB", "PostGIS", "Service"]


class LocalServices:
    """The three services of one folder."""

    def __init__(self, folder: Path) -> None:
        self.minio = MinIO(folder / "minio")
        self.mongodb = MongoDB(folder / "mongodb")
        self.postgis = PostGIS(folder / "postgis")
        self.all: tuple[Service, ...] = (self.minio, self.mongodb, self.postgis)
