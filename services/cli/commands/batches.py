"""``submit``, ``process``, ``watch``: manifests that people wrote, and the work on what is waiting."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from services.cli.options import AsJson, DryRun, ManifestFile, Replace, complete_batches

if TYPE_CHECKING:
    from libs.models import Manifest, ParsedManifest, Report, ServiceUnavailable
    from libs.models.settings import Settings
    from libs.pipeline.stack import Stack
    from libs.pipeline.upload import Upload


def submit(
    manifest: ManifestFile,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]…", exists=True, help="Files that it names, to upload first. Sidecars are found beside them."
        ),
    ] = None,
    *,
    replace: Replace = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Upload a manifest, and before it the FILEs that it names.

    Refused when another manifest waits under its batch_id, or when other files lie where the FILEs belong, unless an earlier
    delivery of this batch brought them and has its report. A manifest that was processed before is compared with what lies there
    now: files that have changed make new versions.

    Files that you leave out must be in the landing zone already. `spatial-etl process` or `watch` then processes the batch.
    With --dry-run, name all FILEs.
    """
    from libs.models import parse_manifest
    from libs.models.settings import Settings
    from libs.pipeline.delivery import batch_id_of, places
    from libs.pipeline.upload import upload_all
    from libs.platform import open_landing_zone
    from services.cli import output, progress
    from services.cli.delivery import replacing_told, usage_errors
    from services.cli.place import home_told

    settings = Settings()
    bucket = settings.landing.bucket
    parsed = parse_manifest(manifest.read_bytes(), landing_bucket=bucket)
    batch_id = batch_id_of(parsed) or manifest.stem
    if dry_run:
        with usage_errors("FILE"):
            found = places(files or (), parsed.manifest, bucket) if parsed.manifest else []
        _require_all_files(parsed.manifest, found, bucket)
        _end_dry_run(settings, parsed, found, batch_id, as_json=as_json)
    with usage_errors("FILE"):
        found = places(files, parsed.require(), bucket) if files else []
    with home_told(settings), progress.shown(quiet=as_json) as tell:
        landing = open_landing_zone(settings)  # all that an uploader has access to
        # first: an upload would replace the files of the manifest that waits
        landing.require_free(parsed.content, batch_id)
        with replacing_told():
            upload_all(landing, found, parsed.content, batch_id, replace=replace, progress=tell)
        key = landing.submit(parsed.content, batch_id, after_files=bool(files))
    if as_json:
        output.emit_json({"batch_id": batch_id, "manifest": landing.store.uri(key)})
    else:
        output.line("Submitted ", output.text(batch_id, "bold"), ". `spatial-etl process` works on what is waiting.")


def _end_dry_run(
    settings: "Settings", parsed: "ParsedManifest", files: "list[Upload]", batch_id: str, *, as_json: bool
) -> NoReturn:
    from libs.models import Status
    from services.cli import output, report
    from services.cli.delivery import usage_errors
    from services.cli.dry_run import tried

    started = time.monotonic()
    with usage_errors():
        made = tried(settings, parsed, files, batch_id, quiet=as_json)
    if as_json:
        output.emit_json(made)
    else:
        report.show_dry_run(made, took=time.monotonic() - started)
    raise typer.Exit(0 if made.status is Status.SUCCESS else 1)


def _require_all_files(manifest: "Manifest | None", found: "list[Upload]", bucket: str) -> None:
    """A dry run has the local files only. A manifest with problems is reported without its files."""
    from libs.models import landing_key

    given = {each.key for each in found}
    missing = [spec.path for spec in manifest.files if landing_key(spec.path, bucket) not in given] if manifest else []
    if missing:
        raise typer.BadParameter(
            f"--dry-run reads local files only. Name these files of the manifest too: {', '.join(missing)}.", param_hint="FILE"
        )


def process(*, as_json: AsJson = False) -> None:
    """Process every batch that waits in the landing zone, once."""
    from libs.spatial_utils import reading

    reading.warm_up()  # first: it starts while the rest is imported
    from libs.pipeline.process import at_work
    from libs.pipeline.process import process as process_waiting
    from libs.platform import open_stack
    from services.cli import output, progress

    with open_stack() as stack, progress.shown(quiet=as_json) as tell:
        ended = finish(process_waiting(stack, progress=tell), as_json=as_json, worker=stack.ledger.owner)
        others = list(at_work(stack))
        for run in others:
            output.aside(f"{run.batch_id} is left to the worker {run.owner}, which is at it.")
        if not ended and not others and not as_json:
            output.line("Nothing is waiting in the landing zone.")
        for key in stack.landing.unrecognized():
            output.aside(f"{stack.landing.store.uri(key)} is not processed: {output.NO_MANIFEST}")
    raise typer.Exit(0 if all(ended) else 1)


def reprocess(
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="A batch_id.", autocompletion=complete_batches)],
    *,
    as_json: AsJson = False,
) -> None:
    """Process a batch once more, although nothing has changed: new versions of its datasets.

    Uses the recorded manifest, and the files that it names as they lie in the landing zone now.
    """
    from libs.models import Status
    from libs.pipeline.reprocess import reprocess as process_again
    from libs.platform import open_stack
    from services.cli import output, progress
    from services.cli.lookup import unknown
    from services.cli.place import located
    from services.cli.report import show

    with open_stack() as stack:
        stack.require_own_lake(bind=False)  # first: a ledger that is not the lake's knows of no such batch
        if stack.ledger.batch(batch) is None:
            raise unknown("batch", batch, stack.ledger.batch_ids())
        started = time.monotonic()
        with progress.shown(quiet=as_json) as tell:
            report = process_again(stack, batch, tell)
    if as_json:
        output.emit_json(report)
    else:
        show(report, located, took=time.monotonic() - started)
    raise typer.Exit(0 if report.status is Status.SUCCESS else 1)


def watch(
    *,
    interval: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Seconds between two looks at the landing zone.")
    ] = 2.0,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT", help="Tell /metrics for Prometheus and /health there, on this machine if no HOST is given."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Process batches as they arrive, until interrupted.

    With --json: one report per line.
    """
    from libs.pipeline.process import watch as watch_waiting
    from libs.platform import open_stack
    from services.cli import output, progress

    with open_stack() as stack, _monitored(stack, metrics) as looked, progress.shown(quiet=as_json) as tell:
        if not as_json:
            output.line(output.text("Watching the landing zone; Ctrl-C ends it.", "dim"))
        reports = watch_waiting(stack, interval=interval, progress=tell, looked=looked)
        finish(reports, as_json=as_json, worker=stack.ledger.owner, lines=True)


@contextmanager
def _monitored(stack: "Stack", address: str | None) -> "Iterator[Callable[[ServiceUnavailable | None], None]]":
    """Tell metrics at an address, if there is one, until the context ends. Gives what wants to know how each look ended."""
    if address is None:
        yield lambda _: None
        return
    from services.cli import monitoring

    monitor = monitoring.Monitor(stack.ledger, stack.landing, stack.settings)
    with monitoring.served(monitor, *monitoring.address(address)):
        yield monitor.looked


def finish(reports: Iterable["Report"], *, as_json: bool, worker: str, lines: bool = False) -> list[bool]:
    """Print each report as it comes.

    Args:
        reports: What became of batches.
        as_json: Print JSON.
        worker: This one. What another one decided, and this one only finished, is told so.
        lines: With JSON, one report per line, at once.

    Returns:
        For each batch whether it succeeded.
    """
    from libs.models import Status
    from services.cli import output, report
    from services.cli.place import located

    ended: list[bool] = []
    collected = []
    started = time.monotonic()
    for each in reports:
        ended.append(each.status is Status.SUCCESS)
        if lines and as_json:
            output.emit_json_line(each)
        elif as_json:
            collected.append(each)
        else:
            report.show(each, located, took=time.monotonic() - started)
            if each.worker not in {worker, None}:
                output.line(output.text(f"processed by the worker {each.worker}; only the rest was done here", "dim"), indent=2)
        started = time.monotonic()
    if as_json and not lines:
        output.emit_json(collected)
    return ended
