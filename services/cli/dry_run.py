"""``--dry-run``: a batch goes the whole way in a throwaway home, and the report that would be is printed."""

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from libs.models import ParsedManifest
    from libs.models.settings import Settings
    from libs.spatial_utils.formats import Format


def end_dry_run(
    settings: "Settings",
    manifest: "ParsedManifest",
    uploads: "Iterable[tuple[Path, Format, str]]",
    batch_id: str,
    *,
    typed: Sequence[str] | None = None,
    as_json: bool,
) -> NoReturn:
    """Process a batch without storing anything, print its report, and end the command.

    Args:
        settings: Those of the real platform.
        manifest: Of the batch.
        uploads: Its local files, each with its format, and its folder in the landing zone.
        batch_id: Name of the batch.
        typed: Its files as they were typed, if the manifest was made of them.
        as_json: Print for programs.
    """
    from libs.models import Status
    from libs.pipeline.process import process
    from libs.pipeline.upload import upload
    from libs.platform import open_stack
    from libs.platform.dry_run import as_it_would_be, throwaway
    from libs.spatial_utils.siblings import Folders
    from services.cli import output, progress
    from services.cli.report import show_dry_run
    from services.cli.typed import all_spelled

    _require_new_batch(settings, batch_id)
    started = time.monotonic()
    with throwaway(settings) as elsewhere, open_stack(elsewhere) as stack:
        folders = Folders()
        for file, kind, folder in uploads:
            upload(stack.landing, file, kind, folder, folders)
        key = stack.landing.submit(manifest.content, batch_id)
        with progress.shown(quiet=as_json) as tell:
            (report,) = process(stack, keys=[key], parsed={key: manifest}, progress=tell)
    report = as_it_would_be(report, settings)
    if as_json:
        output.emit_json(report)
    else:
        show_dry_run(report if typed is None else all_spelled(report, typed), took=time.monotonic() - started)
    raise typer.Exit(0 if report.status is Status.SUCCESS else 1)


def _require_new_batch(settings: "Settings", batch_id: str) -> None:
    """Refuse the name of a batch that exists, as without ``--dry-run``. Where there is no ledger, there is no batch."""
    from libs.pipeline.delivery import require_new_batch
    from libs.platform import open_lake, open_ledger
    from libs.platform.dry_run import has_ledger
    from services.cli.delivery import usage_errors

    if has_ledger(settings):
        ledger = open_ledger(settings)
        with closing(ledger.store), usage_errors():
            require_new_batch(settings, open_lake(settings), ledger, batch_id)
