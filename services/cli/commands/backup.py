"""``admin backup`` and ``admin restore``: the ledger, and if wanted the lake, in a folder and back."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import AsJson


def backup(
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A new or empty folder, outside of lake and landing zone.", file_okay=False)
    ],
    *,
    with_lake: Annotated[
        bool, typer.Option("--with-lake", help="Copy the files of the lake, too. Without it, the backup only names the lake.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a backup of the ledger to TARGET.

    Workers may go on meanwhile: the backup holds the ledger of one moment. backup.json is written last: a folder without it is
    no backup.
    """
    from libs.pipeline.backup import back_up
    from libs.pipeline.identity import require_own_lake
    from libs.platform import open_lake
    from services.cli import output
    from services.cli.place import existing, opened_ledger

    settings = existing()
    for place in (settings.landing, settings.lake):
        if place.folder is not None and target.resolve().is_relative_to(place.folder.resolve()):
            raise typer.BadParameter(f"it lies in {place.folder}, among the files of users: take a folder elsewhere")
    with opened_ledger() as ledger:
        lake = open_lake(settings)
        if with_lake:
            require_own_lake(settings, lake, ledger, bind=False)
        made = back_up(ledger, lake, target, with_lake=with_lake)
    if as_json:
        output.emit_json(made)
        return
    output.line(output.text(output.count(sum(made.records.values()), "record"), "bold"), f" of the ledger in {target}.")
    if made.lake_files is None:
        output.line(f"The lake is not in it: back up {made.lake} by other means, after this, or use --with-lake.")
    else:
        output.line(f"{output.count(made.lake_files, 'file')} of the lake, {output.size(made.lake_bytes or 0)}.")


def restore(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The folder of a backup.", file_okay=False, exists=True)],
    *,
    no_hash: Annotated[
        bool, typer.Option("--no-hash", help="Verify the ledger only. `spatial-etl verify` can hash the lake's files later.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty ledger, then verify it.

    The settings name the new, empty ledger, and the lake. Stop all workers first. All hashes are checked before anything is
    written. If it was killed, run it again. Exit codes as of verify.
    """
    from libs.models.settings import Settings
    from libs.pipeline.backup import restore as restore_from
    from libs.pipeline.verify import verify, verify_ledger
    from libs.platform import open_lake, open_ledger, open_stack
    from services.cli import output
    from services.cli.commands.housekeeping import show_verdicts

    settings = Settings()
    ledger = open_ledger(settings)
    try:
        done = restore_from(source, ledger, open_lake(settings))
    finally:
        ledger.store.close()
    if not as_json:
        records = output.count(sum(done.backup.records.values()), "record")
        output.line(output.text(records, "bold"), f" restored, as of {done.backup.made_at:%Y-%m-%d %H:%M:%S} UTC.")
        if done.backup.lake_files is not None:
            output.line(f"{output.count(done.lake_files, 'file')} put into the lake.")
    with open_stack(settings) as stack:
        code, verdicts = show_verdicts(
            stack, verify_ledger(stack) if no_hash else verify(stack), quiet=as_json, with_lake=not no_hash
        )
    if as_json:
        output.emit_json({**done.model_dump(mode="json"), "verified": verdicts})
    raise typer.Exit(code)
