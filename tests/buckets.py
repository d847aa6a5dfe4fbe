"""Buckets of a test's own on a server that tests share."""

import secrets
from typing import Any

from libs.models.settings import Settings
from libs.platform import open_lake
from libs.storage import ObjectStore


class Buckets:
    """Makes buckets, opens them as the platform does, and removes them.

    Attributes:
        environment: The settings that reach the server.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._made: list[str] = []

    def settings(self, **more: Any) -> Settings:
        """The settings that reach the server, and others."""
        reaching = {name.lower(): value for name, value in self.environment.items()}
        return Settings(_env_file=None, **(reaching | more))

    def store(self, bucket: str, **more: Any) -> ObjectStore:
        """A bucket, as the platform opens its lake."""
        return open_lake(self.settings(minio_lake_bucket=bucket, **more)).store

    @property
    def client(self) -> Any:
        """What an administrator speaks S3 with."""
        return self.store("any")._server.quick

    def new(self) -> str:
        """A new, empty bucket; its name."""
        name = f"test-{secrets.token_hex(8)}"
        self.client.create_bucket(Bucket=name)
        self.own(name)
        return name

    def own(self, name: str) -> None:
        """Remove a bucket in the end that somebody else will make."""
        self._made.append(name)

    def clear(self) -> None:
        """Remove all that was made."""
        client = self.client
        for name in self._made:
            try:
                for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
                    for entry in page.get("Contents", ()):
                        client.delete_object(Bucket=name, Key=entry["Key"])
                client.delete_bucket(Bucket=name)
            except client.exceptions.NoSuchBucket:
                continue
