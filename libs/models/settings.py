"""Every setting of the platform, in one place. None set: the embedded default, in the ``var`` of this folder or of one above."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from libs.models.home_env import HomeEnv

RUNS, SPILL = "runs", "duckdb_"
"""Names, and what names begin with, of what the platform makes in scratch, and removes when nobody works there any more."""


def _bucket(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise ValueError("a bucket's name is 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or digit")
    return name


def _name_or_none(value: object) -> object:
    """A name without regard to case. Empty counts as not set: compose files hand on empty values."""
    return (value.strip().lower() or None) if isinstance(value, str) else value


def _name(value: object) -> object:
    """A name without regard to case."""
    return value.strip().lower() if isinstance(value, str) else value


def _place(value: object) -> object:
    """A folder as it stands, or ``s3://<bucket>``. Empty counts as not set: compose files hand on empty values."""
    if not isinstance(value, str):
        return value or None
    scheme, mark, bucket = value.strip().partition("://")
    if not mark:
        return value.strip() or None
    if scheme != "s3" or "/" in bucket.removesuffix("/"):
        raise ValueError("it is a folder, or a bucket as s3://<bucket>, without a folder in it")
    return f"s3://{_bucket(bucket.removesuffix('/'))}"


_Bucket = Annotated[str, AfterValidator(_bucket)]
_PlaceText = Annotated[str | None, BeforeValidator(_place)]


@dataclass(frozen=True)
class Place:
    """Where the landing zone or the lake is.

    Attributes:
        bucket: Its name in URIs, whatever it lies on.
        folder: Where it lies; None: a bucket of the server at ``minio_endpoint``.
        setting: That chose it.
    """

    bucket: str
    folder: Path | None
    setting: str

    def uri(self, key: str) -> str:
        """``s3://<bucket>/<key>``: the name of an object for users."""
        return f"s3://{self.bucket}/{key}"


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
    """Whether the platform works here: something lies in it, or a ``.env`` beside it says where that lies instead."""
    if any((folder / name).exists() for name in (LEDGER, "landing-zone", "data-lake")):
        return True
    return (folder / "scratch").is_dir() and folder.with_name(".env").is_file()


class Settings(BaseSettings):
    """Read from the environment, then from ``.env`` in the working folder, then from ``.env`` beside the home: the first wins.

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
        spatial_etl_landing: Folder of the landing zone, or its bucket as ``s3://<bucket>``; unset: by ``minio_landing_bucket``.
        spatial_etl_lake: Folder of the data lake, or its bucket as ``s3://<bucket>``; unset: by ``minio_lake_bucket``.
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
        spatial_etl_max_unpacked_mb: Size that an archive may have when unpacked, and the rows of a file when read, in MiB.
        spatial_etl_max_expansion: How many times its size a file may come to, unpacked or as rows, where that is more than
            64 MiB.
        spatial_etl_settle_seconds: A manifest in a folder that is cut counts as still being written until it has not changed for
            so long, in seconds. One that is whole, or lies on S3, is processed at once.
        spatial_etl_unknown_intent: What becomes of a batch whose intent no recipe has: ``default``, the default recipe with a
            warning, or ``reject``.
        spatial_etl_owners: What becomes of a delivery to a dataset of another project and another uploader: ``warn``, ``reject``,
            or ``off``.
        spatial_etl_lease_seconds: A worker that another one has watched for so long, in seconds, without a sign of life, counts
            as gone. One whose process has ended on the same machine is gone at once.
        spatial_etl_log: How log lines are written on the standard error: ``text``, warnings for people; ``json``, a JSON
            document a line with time, level and batch, for what collects logs. That tells also what is done.
        spatial_etl_notify_on: What is told to others of a batch: any of ``published``, ``rejected``, ``failed``, ``canceled``.
        spatial_etl_notify_webhook: Address (``https://...``) that gets each notification as JSON.
        spatial_etl_notify_webhook_token: Bearer token for this address.
        spatial_etl_notify_command: Program, with its arguments, that gets each notification as JSON on its standard input.
        spatial_etl_notify_smtp: Server that sends mails: ``smtp://user:password@host:587`` (STARTTLS), ``smtps://...`` (TLS), or
            ``smtp+plain://host:25`` without encryption.
        spatial_etl_notify_from: Address that mails come from.
        spatial_etl_notify_to: Addresses that get every mail, with commas between them.
        spatial_etl_notify_domains: Domains, with commas between them. The ``metadata.contact`` of a manifest, else its uploader,
            gets a mail if it is an address in one of them.
        spatial_etl_notify_templates: Folder with templates of your own for mails.
        spatial_etl_openlineage: Folder, or address (``https://...``), that gets OpenLineage's events of each run.
        spatial_etl_openlineage_token: Bearer token for this address.
        spatial_etl_openlineage_namespace: Namespace of the jobs in these events.
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
    spatial_etl_landing: _PlaceText = None
    spatial_etl_lake: _PlaceText = None
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
    spatial_etl_max_expansion: int = Field(default=250, ge=1)
    spatial_etl_settle_seconds: float = Field(default=10.0, ge=0)
    spatial_etl_unknown_intent: Annotated[Literal["default", "reject"], BeforeValidator(_name)] = "default"
    spatial_etl_owners: Annotated[Literal["warn", "reject", "off"], BeforeValidator(_name)] = "warn"
    spatial_etl_lease_seconds: float = Field(default=60.0, gt=0)
    spatial_etl_log: Annotated[Literal["text", "json"], BeforeValidator(_name)] = "text"
    spatial_etl_notify_on: str = "published,rejected,failed,canceled"
    spatial_etl_notify_webhook: SecretStr | None = None
    spatial_etl_notify_webhook_token: SecretStr | None = None
    spatial_etl_notify_command: str | None = None
    spatial_etl_notify_smtp: SecretStr | None = None
    spatial_etl_notify_from: str | None = None
    spatial_etl_notify_to: str = ""
    spatial_etl_notify_domains: str = ""
    spatial_etl_notify_templates: Path | None = None
    spatial_etl_openlineage: str | None = None
    spatial_etl_openlineage_token: SecretStr | None = None
    spatial_etl_openlineage_namespace: str = "spatial-etl"

    @property
    def scratch(self) -> Path:
        """Folder for transient files."""
        return self.spatial_etl_scratch or self.spatial_etl_home / "scratch"

    @property
    def recipes(self) -> Path:
        """Folder with the user's own recipes."""
        return self.spatial_etl_recipes or self.spatial_etl_home / "recipes"

    @property
    def landing(self) -> Place:
        """Where the landing zone is."""
        return self._placed("SPATIAL_ETL_LANDING", self.spatial_etl_landing, "MINIO_LANDING_BUCKET", self.minio_landing_bucket)

    @property
    def lake(self) -> Place:
        """Where the data lake is."""
        return self._placed("SPATIAL_ETL_LAKE", self.spatial_etl_lake, "MINIO_LAKE_BUCKET", self.minio_lake_bucket)

    def _placed(self, setting: str, chosen: str | None, naming: str, bucket: str) -> Place:
        if chosen is None and self.minio_endpoint is None:
            return Place(bucket, self.spatial_etl_home / bucket, "SPATIAL_ETL_HOME")
        if chosen is None:
            return Place(bucket, None, naming)
        if chosen.startswith("s3://"):
            return Place(chosen.removeprefix("s3://"), None, setting)
        return Place(bucket, Path(chosen), setting)

    @property
    def has_home(self) -> bool:
        """Whether something was delivered to the home, or to buckets of it."""
        places = (self.landing.folder, self.lake.folder, self.spatial_etl_home / LEDGER)
        return any(place is not None and place.exists() for place in places)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no setting is a folder of secrets
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from; the first one that has one wins."""
        working = cast("DotEnvSettingsSource", dotenv_settings)
        return init_settings, env_settings, working, HomeEnv(settings_cls, working, home_above())

    @model_validator(mode="before")
    @classmethod
    def _find_home(cls, given: Any) -> Any:
        if isinstance(given, dict) and "spatial_etl_home" not in given and (found := home_above()):
            return {**given, "spatial_etl_home": found}
        return given

    @model_validator(mode="after")
    def _keep_apart(self) -> Self:
        """Refuse places of which one would take for its own what lies in another: what is left in scratch, say, is removed."""
        for chosen, naming, bucket in (
            (self.landing, "MINIO_LANDING_BUCKET", self.minio_landing_bucket),
            (self.lake, "MINIO_LAKE_BUCKET", self.minio_lake_bucket),
        ):
            if chosen.folder is None and self.minio_endpoint is None:
                raise ValueError(
                    f"{chosen.setting} names the bucket {chosen.bucket!r}, but MINIO_ENDPOINT names no server; set it"
                )
            if naming.lower() in self.model_fields_set and chosen.bucket != bucket:
                raise ValueError(
                    f"{chosen.setting} names the bucket {chosen.bucket!r}, {naming} {bucket!r}; leave one of them out"
                )
        if self.landing.bucket == self.lake.bucket:
            raise ValueError(
                f"MINIO_LANDING_BUCKET and MINIO_LAKE_BUCKET are both {self.lake.bucket!r}; give each a bucket of its own"
            )
        for (setting, place), (other, theirs) in self._overlaps():
            raise ValueError(
                f"the place of {setting} ({place}) lies among the files of {other} ({theirs}); give each a folder of its own"
            )
        return self

    def _overlaps(self) -> Iterator[tuple[tuple[str, Path], tuple[str, Path]]]:
        """Each place that lies in another, with that one: in a bucket, or in what is cleared of scratch."""
        buckets = [
            (place.setting if chosen else naming, place.folder)
            for place, chosen, naming in (
                (self.landing, self.spatial_etl_landing, "MINIO_LANDING_BUCKET"),
                (self.lake, self.spatial_etl_lake, "MINIO_LAKE_BUCKET"),
            )
            if place.folder is not None
        ]
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
