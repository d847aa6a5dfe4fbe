"""``make-current``: which version of a dataset is the current one."""

from contextlib import closing
from typing import Annotated

import typer

from services.cli.options import AsJson, Version


def make_current(
    dataset: Version,
    *,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who decides it.", show_default="user name")] = None,
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier version: DATASET@N is the current one, until a newer version is delivered.

    No file is changed, and no version is lost: the newest one may be made the current one again.
    """
    from libs.models.settings import Settings
    from libs.pipeline import going_back
    from libs.platform import open_lake, open_ledger
    from services.cli import output
    from services.cli.commands.catalog import find_asset
    from services.cli.delivery import user

    if "@" not in dataset:
        raise typer.BadParameter(f"Name the version: {dataset}@1. `spatial-etl show {dataset}` lists them.")
    settings = Settings()
    ledger = open_ledger(settings)
    with closing(ledger.store):
        asset = find_asset(ledger, dataset)
        decision = going_back.make_current(settings, open_lake(settings), ledger, asset, by or user())
    if as_json:
        output.emit_json({"dataset_id": asset.dataset_id, "version": asset.version, "decision": decision})
    elif decision is None:
        output.line(output.text(asset.id, "bold"), " is the current version already.")
    else:
        newer = f" Version {decision.newest} stays in the lake." if decision.newest > asset.version else ""
        output.line(output.text(asset.id, "bold"), f" is the current version, until a newer one is delivered.{newer}")
