"""``refresh``: a dataset that was made from others, made again from what they are now."""

import time

import typer

from services.cli.options import AsJson, Dataset


def refresh(dataset: Dataset, *, as_json: AsJson = False) -> None:
    """Make a dataset again, if a dataset that it was made from has another current version now."""
    from libs.models import Status
    from libs.pipeline.refresh import refresh as make_again
    from libs.platform import open_stack
    from services.cli import output, progress
    from services.cli.commands.catalog import find_asset
    from services.cli.place import located
    from services.cli.report import show

    with open_stack() as stack:
        stack.require_own_lake(bind=False)
        asset = find_asset(stack.ledger, dataset)
        started = time.monotonic()
        with progress.shown(quiet=as_json) as tell:
            report = make_again(stack, asset, tell)
    if as_json:
        output.emit_json(report)
    elif report is None:
        output.line(f"{asset.id} is up to date: its inputs are as they were.")
    else:
        show(report, located, took=time.monotonic() - started)
    raise typer.Exit(0 if report is None or report.status is Status.SUCCESS else 1)
