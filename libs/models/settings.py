"""Every setting of the platform, in one place. None set: the embedded default, in the ``var`` of this folder or of one above."""

import os
import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

RUNS, SPILL = "runs", "duckdb_"
"""Names, and what names begin with, of what the platform makes in scratch, and removes when nobody works there any more."""


def _bucket(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise ValueError("a bucket's name is 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or digit")
    return name


def _name_or_none(value: object) -> object:
    """A name without regard to case. Empty counts as not set: compose files hand on empty values."""
    return (value.strip().lower() or None) if isinstance(value, str) else value


_Bucket = Annotated[str, AfterValidator(_bucket)]


HOME = Path("var")
LEDGER = "ledger.sqlite"
"""The embedded ledger, in the home."""


def home_above() -> Path | None:
    """The home in the nearest folder above the working folder, as git finds a repository; None where this folder has its own.

    It must be the user's own: others may write to a folder such as ``/tmp``.
    """
    try:
        here = Path.cwd()
        if _is_home(here / HOME):
            return None
        return next(home for folder in here.parents if _is_home(home := folder / HOME) and home.stat().st_uid == os.geteuid())
    except (OSError, StopIteration):
        return None


def _is_home(folder: Path) -> bool:
    return any((folder / name).exists() for name in (LEDGER, "landing-zone", "data-lake"))


class Settings(BaseSettings):
    """Read from the environment and from ``.env`` in the working folder; the environment wins.

    Attributes:
        spatial_etl_home: Folder of the embedded stores, scratch included; unset: the ``var`` of the working folder, or of the
            nearest folder above it that has one.
        minio_endpoint: ``host:port`` of MinIO or another S3; unset: folders below the home.
        minio_root_user: Access key of the object store.
        minio_root_password: Secret key of the object store.
        minio_use_ssl: ``false`` for a server without TLS.
        minio_ca_file: PEM file with the certificate authority of MinIO, where the system does not know it.
        minio_region: Region of the buckets; only AWS and a few others need it.
        minio_landing_bucket: Name of the bucket, or of the folder below the home, of the landing zone.
        minio_lake_bucket: Name of the bucket, or of the folder below the home, of the data lake.
        mongo_connection_string: Connection string of the ledger's MongoDB; unset: SQLite below the home.
        mongo_database: Name of the ledger's database.
        spatial_etl_engine: Compute engine, ``duckdb`` or ``postgis``; unset: PostGIS where ``postgres_host`` is set, else DuckDB.
        postgres_host: Host of the PostGIS server, for compute.
        postgres_port: Port of the PostGIS server.
        postgres_user: Account on the PostGIS server.
        postgres_password: Password of this account.
        postgres_db: Database on the PostGIS server, with the extension.
        postgres_statement_seconds: Time that PostGIS may take for one statement, in seconds. To copy in a file is one statement.
        spatial_etl_scratch: Folder for temporary files; unset: ``scratch`` below the home.
        spatial_etl_recipes: Folder with recipes of the user's own (``*.yaml``); unset: ``recipes`` below the home.
        spatial_etl_memory_mb: Memory that the compute engine may use, in MiB.
        spatial_etl_threads: Threads of the compute engine; 0: one per core, if memory allows.
        spatial_etl_read_memory_mb: Memory that the reading of one file may take, in MiB.
        spatial_etl_read_seconds: Time that the reading of one file may take, in seconds.
        spatial_etl_max_unpacked_mb: Size that an archive may have when unpacked, in MiB.
        spatial_etl_settle_seconds: A manifest in a folder that is cut counts as still being written until it has not changed for
            so long, in seconds. One that is whole, or lies on S3, is processed at once.
        spatial_etl_lease_seconds: A worker without a sign of life for this long counts as dead, in seconds.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    spatial_etl_home: Path = HOME
    minio_endpoint: str | None = None
    minio_root_user: str | None = None
    minio_root_password: SecretStr | None = None
    minio_use_ssl: bool = True
    minio_ca_file: Path | None = None
    minio_region: str = "us-east-1"
    minio_landing_bucket: _Bucket = "landing-zone"
    minio_lake_bucket: _Bucket = "data-lake"
    mongo_connection_string: SecretStr | None = None
    mongo_database: str = "spatial_etl"
    spatial_etl_engine: Annotated[str | None, BeforeValidator(_name_or_none)] = None
    postgres_host: str | None = None
    postgres_port: int = 5432
    postgres_user: str = "spatial_etl"
    postgres_password: SecretStr | None = None
    postgres_db: str = "spatial_etl"
    postgres_statement_seconds: int = Field(default=3600, ge=1)
    spatial_etl_scratch: Path | None = None
    spatial_etl_recipes: Path | None = None
    spatial_etl_memory_mb: int = Field(default=384, ge=64)
    spatial_etl_threads: int = Field(default=0, ge=0)
    spatial_etl_read_memory_mb: int = Field(default=2048, ge=128)
    spatial_etl_read_seconds: int = Field(default=3600, ge=1)
    spatial_etl_max_unpacked_mb: int = Field(default=16_384, ge=1)
    spatial_etl_settle_seconds: float = Field(default=10.0, ge=0)
    spatial_etl_lease_seconds: float = Field(default=60.0, gt=0)

    @property
    def scratch(self) -> Path:
        """Folder for transient files."""
        return self.spatial_etl_scratch or self.spatial_etl_home / "scratch"

    @property
    def recipes(self) -> Path:
        """Folder with the user's own recipes."""
        return self.spatial_etl_recipes or self.spatial_etl_home / "recipes"

    @property
    def has_home(self) -> bool:
        """Whether something was delivered to the home, or to buckets of it."""
        buckets = (self.minio_landing_bucket, self.minio_lake_bucket)
        return any((self.spatial_etl_home / name).exists() for name in (LEDGER, *buckets))

    @model_validator(mode="before")
    @classmethod
    def _find_home(cls, given: Any) -> Any:
        if isinstance(given, dict) and "spatial_etl_home" not in given and (found := home_above()):
            return {**given, "spatial_etl_home": found}
        return given

    @model_validator(mode="after")
    def _keep_apart(self) -> Self:
        """Refuse places of which one would take for its own what lies in another: what is left in scratch, say, is removed."""
        if self.minio_landing_bucket == self.minio_lake_bucket:
            raise ValueError(
                f"MINIO_LANDING_BUCKET and MINIO_LAKE_BUCKET are both {self.minio_lake_bucket!r}; give each a bucket of its own"
            )
        for (setting, place), (other, theirs) in self._overlaps():
            raise ValueError(
                f"the place of {setting} ({place}) lies among the files of {other} ({theirs}); give each a folder of its own"
            )
        return self

    def _overlaps(self) -> Iterator[tuple[tuple[str, Path], tuple[str, Path]]]:
        """Each place that lies in another, with that one: in a bucket, or in what is cleared of scratch."""
        names = ("MINIO_LANDING_BUCKET", self.minio_landing_bucket), ("MINIO_LAKE_BUCKET", self.minio_lake_bucket)
        buckets = [(setting, self.spatial_etl_home / name) for setting, name in names if self.minio_endpoint is None]
        scratch = ("SPATIAL_ETL_SCRATCH", self.scratch)
        places = [("SPATIAL_ETL_HOME", self.spatial_etl_home), ("SPATIAL_ETL_RECIPES", self.recipes), scratch, *buckets]
        for inner, outer in permutations(places, 2):
            parts = _parts_below(inner[1], outer[1])
            cleared = outer is scratch and parts and (parts[0] == RUNS or parts[0].startswith(SPILL))
            if cleared or (outer in buckets and parts is not None):
                yield inner, outer


def _parts_below(place: Path, folder: Path) -> tuple[str, ...] | None:
    """The way to a place from a folder that it is, or lies in; None when it lies elsewhere."""
    place, folder = Path(os.path.realpath(place)), Path(os.path.realpath(folder))
    return place.relative_to(folder).parts if place.is_relative_to(folder) else None
