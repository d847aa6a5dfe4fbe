"""``--dry-run``: a batch goes the whole way in a throwaway home."""

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.models import ParsedManifest, Report
    from libs.models.settings import Settings
    from libs.pipeline.upload import Upload


def tried(
    settings: "Settings",
    manifest: "ParsedManifest",
    uploads: "Iterable[Upload]",
    batch_id: str,
    *,
    quiet: bool,
) -> "Report":
    """Process a batch without storing anything.

    Args:
        settings: Those of the real platform.
        manifest: Of the batch.
        uploads: Its local files.
        batch_id: Name of the batch.
        quiet: Show no progress.

    Returns:
        The report that would be.

    Raises:
        DeliveryError: when there is a batch of this name.
    """
    from libs.pipeline.process import process
    from libs.pipeline.upload import upload_all
    from libs.platform.dry_run import as_it_would_be, rehearsal
    from services.cli import progress

    _require_free_name(settings, batch_id, manifest.content)
    with rehearsal(settings) as stack, progress.shown(quiet=quiet) as tell:
        upload_all(stack.landing, uploads, manifest.content, batch_id, progress=tell)
        key = stack.landing.submit(manifest.content, batch_id)
        (report,) = process(stack, keys=[key], parsed={key: manifest}, progress=tell)
    return as_it_would_be(report, settings)


def _require_free_name(settings: "Settings", batch_id: str, manifest: bytes) -> None:
    """Refuse the name of another batch, as without ``--dry-run``. Where there is no ledger, there is no batch."""
    from libs.pipeline.delivery import require_free_name
    from libs.platform import open_lake, open_ledger
    from libs.platform.dry_run import has_ledger

    if has_ledger(settings):
        ledger = open_ledger(settings)
        with closing(ledger.store):
            require_free_name(settings, open_lake(settings), ledger, batch_id, manifest)
