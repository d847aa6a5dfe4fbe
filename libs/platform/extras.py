"""The optional parts of the installation: which packages each consists of, and what is said where one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from libs.models import ServiceUnavailable

MODULES = {
    "s3": frozenset({"botocore", "minio"}),
    "mongodb": frozenset({"bson", "pymongo"}),
    "postgis": frozenset({"adbc_driver_manager", "adbc_driver_postgresql"}),
    "catalog": frozenset({"jinja2", "starlette", "uvicorn"}),
    "dagster": frozenset({"dagster", "dagster_postgres"}),
}
"""By extra (``[project.optional-dependencies]``): what is imported of it."""


@contextmanager
def needing(extra: str, what: str, setting: str) -> Iterator[None]:
    """Import what an extra brings.

    Args:
        extra: Its name.
        what: What it is needed for, to begin a message.
        setting: What asks for it.

    Raises:
        ServiceUnavailable: when it is not installed, saying how to install it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in MODULES[extra]:
            raise
        message = f"the Python package {missing!r} is not installed. Install it: pip install 'spatial-etl[{extra}]'."
        raise ServiceUnavailable(what, message, setting) from error
