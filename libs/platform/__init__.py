"""The composition root: settings in, the chosen landing zone, lake, ledger and engine out. The only place that chooses.

The parts can be had one by one, and what a part needs is imported when it is opened: looking something up in the ledger waits for
no engine.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from libs.models import ServiceUnavailable
from libs.models.settings import Place, Settings
from libs.platform.channels import open_channels
from libs.platform.engines import choose_engine
from libs.platform.extras import needing

if TYPE_CHECKING:
    from libs.compute.engine import ComputeEngine
    from libs.ledger import Ledger
    from libs.pipeline.stack import Stack
    from libs.storage import DataLake, LandingZone, ObjectStore
    from libs.storage.s3_server import S3Server
    from libs.transformations import Registry

__all__ = [
    "choose_engine", "open_channels", "open_engine", "open_lake", "open_landing_zone", "open_ledger", "open_registry",
    "open_stack", "s3_server",
]  # fmt: skip


def open_landing_zone(settings: Settings) -> "LandingZone":
    """The landing zone."""
    from libs.storage import LandingZone

    return LandingZone(_open_bucket(settings, settings.landing), settings.spatial_etl_settle_seconds)


def open_lake(settings: Settings) -> "DataLake":
    """The data lake."""
    from libs.storage import DataLake

    return DataLake(_open_bucket(settings, settings.lake))


def open_ledger(settings: Settings) -> "Ledger":
    """The ledger; the caller closes its store."""
    from libs.ledger import DocumentStore, Ledger, SqliteStore

    store: DocumentStore
    if settings.mongo_connection_string is not None:
        with needing("mongodb", "the ledger on MongoDB", "MONGO_CONNECTION_STRING"):
            from libs.ledger.mongo import MongoStore

        store = MongoStore(settings.mongo_connection_string.get_secret_value(), settings.mongo_database)
    else:
        store = SqliteStore(settings.spatial_etl_home / "ledger.sqlite")
    return Ledger(store, lease_seconds=settings.spatial_etl_lease_seconds)


def open_registry(settings: Settings) -> "Registry":
    """The built-in recipes, and those in the folder for the user's own. It knows which of these cannot be used, and why.

    Raises:
        ServiceUnavailable: when the settings name a folder that is not one.
    """
    from libs.platform.recipes import own_recipes
    from libs.transformations import Registry

    return Registry(own_recipes(settings.recipes, expected=settings.spatial_etl_recipes is not None))


def open_engine(settings: Settings) -> "ComputeEngine":
    """The compute engine; the caller closes it.

    Raises:
        ServiceUnavailable: when the settings name no engine that can be opened.
    """
    _choose_allocator()
    entry = choose_engine(settings).entry
    if entry.extra is None:
        engine: ComputeEngine = resolve_name(entry.path).from_settings(settings)
        return engine
    with needing(
        entry.extra, f"the engine {entry.name}", "SPATIAL_ETL_ENGINE" if settings.spatial_etl_engine else str(entry.server)
    ):
        kind = resolve_name(entry.path)
    opened: ComputeEngine = kind.from_settings(settings)
    return opened


def _choose_allocator() -> None:
    """Have Arrow allocate by jemalloc: a million polygons take 4 % less time than by its default, mimalloc."""
    import pyarrow as pa

    with suppress(NotImplementedError):  # a build without it
        pa.set_memory_pool(pa.jemalloc_memory_pool())


@contextmanager
def open_stack(settings: Settings | None = None) -> "Iterator[Stack]":
    """Everything that processing needs, closed when the context ends.

    Args:
        settings: Read from the environment when not given.

    Raises:
        ServiceUnavailable: when a part cannot be reached.
    """
    from libs.pipeline.stack import Stack
    from libs.spatial_utils.reading import ReadLimits

    settings = settings or Settings()
    channels = open_channels(settings)
    ledger = open_ledger(settings)
    engine = open_engine(settings)
    try:
        yield Stack(
            settings=settings,
            landing=open_landing_zone(settings),
            lake=open_lake(settings),
            ledger=ledger,
            past=ledger,
            engine=engine,
            registry=open_registry(settings),
            scratch=settings.scratch,
            limits=ReadLimits(
                memory_mb=settings.spatial_etl_read_memory_mb,
                seconds=settings.spatial_etl_read_seconds,
                unpacked_mb=settings.spatial_etl_max_unpacked_mb,
                expansion=settings.spatial_etl_max_expansion,
            ),
            channels=channels,
        )
    finally:
        engine.close()
        ledger.store.close()


def _open_bucket(settings: Settings, place: Place) -> "ObjectStore":
    if place.folder is not None:
        from libs.storage import FolderStore

        return FolderStore(place.folder, place.bucket, place.setting)
    server = s3_server(settings)
    from libs.storage.s3 import S3Store

    return S3Store(server, place.bucket, place.setting)


@cache
def s3_server(settings: Settings) -> "S3Server":
    """The server of both buckets: what is found out about it is found out once."""
    with needing("s3", "the object store", "MINIO_ENDPOINT"):
        from libs.storage.s3_server import S3Server

    if settings.minio_endpoint is None or not settings.minio_root_user or not settings.minio_root_password:
        missing = "MINIO_ROOT_PASSWORD" if settings.minio_root_user else "MINIO_ROOT_USER"
        raise ServiceUnavailable(f"the object store at {settings.minio_endpoint}", f"{missing} is not set.", missing)
    return S3Server(
        endpoint=settings.minio_endpoint,
        user=settings.minio_root_user,
        password=settings.minio_root_password,
        tls=settings.minio_use_ssl,
        ca_file=settings.minio_ca_file,
        region=settings.minio_region,
    )
