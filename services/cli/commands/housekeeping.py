"""``verify``, ``replay``, ``reconcile``, ``gc``: does the lake hold what the ledger says, and what did a crash leave behind."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, Version

if TYPE_CHECKING:
    from libs.pipeline.stack import Stack


def verify(
    *,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="First make missing and changed files again; put back those that come out as recorded."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hash every lake file and compare with the ledger."""
    from libs.pipeline.verify import Finding
    from libs.pipeline.verify import verify as verify_files
    from libs.platform import open_stack
    from services.cli import output
    from services.cli.place import existing, located

    with open_stack(existing()) as stack:
        if repair:
            _repair(stack, as_json=as_json)
        verdicts = []
        for verdict in verify_files(stack):
            verdicts.append(verdict)
            if not as_json and verdict.finding is not Finding.INTACT:
                name = f"{verdict.dataset_id}@{verdict.version}"
                output.line(output.text("✗ ", "bold red"), output.text(name, "bold"), f"  {verdict.finding}")
                output.line(located(verdict.uri), indent=2)
                output.line(verdict.message, indent=2)
    bad = sum(verdict.finding is not Finding.INTACT for verdict in verdicts)
    if as_json:
        output.emit_json(verdicts)
    elif bad:
        output.line(output.text(f"{bad:,} of {output.count(len(verdicts), 'file')} are not as recorded.", "red"))
    else:
        output.line(output.text("✓ ", "bold green"), f"{output.count(len(verdicts), 'file')}: all there and unchanged.")
    raise typer.Exit(1 if bad else 0)


def _repair(stack: "Stack", *, as_json: bool) -> None:
    """Put back what can be, and say so file by file; beside the result where a program reads that."""
    from libs.pipeline.repair import repair
    from services.cli import output, progress
    from services.cli.place import located

    with progress.shown(quiet=as_json) as tell:
        for file in repair(stack, progress=tell):
            name, done = f"{file.dataset_id}@{file.version}", "restored" if file.restored else "not restored"
            if as_json:
                output.aside(f"{name} {done}: {located(file.uri)}: {file.message}")
                continue
            mark = output.text("✓ ", "bold green") if file.restored else output.text("✗ ", "bold red")
            output.line(mark, output.text(name, "bold"), f"  {done}")
            output.line(located(file.uri), indent=2)
            output.line(file.message, indent=2)


def replay(
    dataset: Version,
    *,
    output_file: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Keep what comes out; several files in a folder.", writable=True),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a version again and compare the bytes.

    Uses the recorded inputs, which must still be in the landing zone, and the recorded recipe. The lake is not changed.
    """
    from libs.pipeline.replay import replay as replay_version
    from libs.platform import open_stack
    from services.cli import output, progress
    from services.cli.commands.catalog import find_asset, find_lineage
    from services.cli.place import existing

    with open_stack(existing()) as stack, progress.shown(quiet=as_json) as tell:
        stack.require_own_lake(bind=False)  # first: a ledger that is not the lake's knows of no such dataset
        asset = find_asset(stack.ledger, dataset)
        result = replay_version(stack, asset, find_lineage(stack.ledger, asset), output=output_file, progress=tell)
    if as_json:
        output.emit_json(result)
    elif result.identical:
        output.line(
            output.text("✓ ", "bold green"), output.text(asset.id, "bold"), "  came out byte for byte as it lies in the lake."
        )
    else:
        output.line(output.text("✗ ", "bold red"), output.text(asset.id, "bold"), "  came out otherwise.")
        for file in result.files:
            if not file.identical:
                facts = [("file", file.name), ("recorded", file.recorded_sha256 or "none"), ("now", file.sha256 or "none")]
                output.facts(facts)
        for name, (then, now) in result.software.items():
            output.line(f"{name} was {then} and is {now}: that may be why.", indent=2)
    raise typer.Exit(0 if result.identical else 1)


def reconcile(*, as_json: AsJson = False) -> None:
    """Finish or undo what a crash left behind.

    Safe at any time: batches that are being processed are not touched.
    """
    from libs.pipeline.maintenance import reconcile as reconcile_stack
    from libs.platform import open_stack
    from services.cli import output
    from services.cli.place import existing

    with open_stack(existing()) as stack:
        done = reconcile_stack(stack)
    if as_json:
        output.emit_json(done)
        return
    _say(
        "Nothing to reconcile.",
        ("run", done.given_up, "given up; `spatial-etl process` tries its batch again"),
        ("run", done.published, "committed before the crash, now finished"),
        ("scratch folder", done.scratch, "removed"),
        ("workspace", done.workspaces, "dropped"),
    )


def gc(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before removing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove lake files of runs that did not succeed.

    Lists the files first, and asks at a terminal. Files younger than a day stay, and so do files that no record names.
    """
    from libs.pipeline.maintenance import garbage
    from libs.pipeline.maintenance import gc as collect
    from libs.platform import open_stack
    from services.cli import output
    from services.cli.place import existing

    with open_stack(existing()) as stack:
        found = garbage(stack)
        if not as_json:
            _say(
                "Nothing to remove.",
                ("lake file", [each.key for each in found.removable], "to remove: the run came to nothing"),
                ("unfinished upload", ("",) * found.partial, "to remove"),
                ("part of a record", ("",) * found.records, "to remove: its run came to nothing"),
                ("lake file", found.young, "of a run that came to nothing, younger than a day: left for another time"),
                ("lake file", found.unknown, "left alone: no record says whose it is"),
            )
        if dry_run:
            if as_json:
                output.emit_json(found)
            return
        anything = bool(found.removable or found.partial or found.records)
        if anything and not (yes or as_json) and sys.stdin.isatty():
            typer.confirm("Remove?", abort=True)
        done = collect(stack, found)
    if as_json:
        output.emit_json(done)
    elif anything:
        files, uploads = output.count(len(done.removed), "lake file"), output.count(done.partial, "unfinished upload")
        output.line(f"Removed {files} and {uploads}.")


def _say(nothing: str, *done: tuple[str, Sequence[str], str]) -> None:
    """Print what was done, group by group: noun, names, what was done to them; ``nothing`` when there is none."""
    from services.cli import output

    for noun, names, what in done:
        if names:
            output.line(output.text(output.count(len(names), noun), "bold"), f" {what}")
            for name in filter(None, names):
                output.line(output.text(name, "dim"), indent=2)
    if not any(names for _, names, _ in done):
        output.line(nothing)
