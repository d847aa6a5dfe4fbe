"""``verify``, ``replay``, ``reconcile``, ``gc``: does the lake hold what the ledger says, and what did a crash leave behind."""

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, Version

if TYPE_CHECKING:
    from libs.models import Asset, Head, LakeFile, Verified
    from libs.pipeline.progress import Progress
    from libs.pipeline.stack import Stack


LAKE_DAMAGED, LEDGER_DAMAGED, BOTH_DAMAGED = 4, 5, 6
"""Exit codes of ``verify``: 0 when all is well."""

_NOTES = 20
"""Shown of findings that are no damage."""


def verify(
    *,
    chain: Annotated[
        bool, typer.Option("--chain", help="Only the ledger: its records, and the chain of decisions. No lake file is read.")
    ] = False,
    head: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The chain must still contain this head, of `admin chain-head`. Like --chain.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="FILE.sig of --head must be by the owner of this public key.", exists=True, dir_okay=False
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Make missing and changed files again, and put back those that come out as recorded."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hold the lake against the ledger, both ways, and the ledger against itself.

    Hashes every lake file, and compares every record with its seal, the chain of decisions and the other records. Exit code 0:
    all is well, 4: the lake is damaged, 5: the ledger, 6: both.
    """
    from libs.pipeline.verify import verify as verify_all
    from libs.pipeline.verify import verify_ledger
    from libs.platform import open_stack
    from services.cli import output, progress
    from services.cli.place import existing

    known = _known_head(head, key)
    if repair and (chain or known):
        raise typer.BadParameter(
            "it mends lake files, and no lake file is read with --chain or --head; leave one of them out.", param_hint="--repair"
        )
    with open_stack(existing()) as stack, progress.shown(quiet=as_json or not repair) as tell:
        mend = partial(_repair, stack, tell, as_json=as_json) if repair else None
        found = verify_ledger(stack, known) if chain or known else verify_all(stack, mend=mend)
        code, verdicts = show_verdicts(stack, found, quiet=as_json, with_lake=not (chain or known))
    if as_json:
        output.emit_json(verdicts)
    raise typer.Exit(code)


def show_verdicts(stack: "Stack", found: "Iterable[Verified]", *, quiet: bool, with_lake: bool) -> "tuple[int, list[Verified]]":
    """Print verdicts as they come, and what they come to.

    Args:
        stack: What was looked at.
        found: The verdicts.
        quiet: Print nothing.
        with_lake: Whether lake files were read.

    Returns:
        The exit code of ``verify``, and the verdicts.
    """
    from libs.models import Finding
    from services.cli import output

    verdicts, notes = [], 0
    for verdict in found:
        verdicts.append(verdict)
        notes += verdict.finding is not Finding.INTACT and verdict.finding.damages is None
        if not quiet and verdict.finding is not Finding.INTACT and (verdict.finding.damages or notes <= _NOTES):
            _show(verdict)
    damages = {verdict.finding.damages for verdict in verdicts} - {None}
    if not quiet:
        if notes > _NOTES:
            output.line(output.text(f"{notes - _NOTES:,} more that are no damage: --json shows all.", "dim"))
        files = sum(verdict.finding is Finding.INTACT for verdict in verdicts)
        bad = sum(verdict.finding.damages is not None for verdict in verdicts)
        if damages:
            output.line(
                output.text(f"{bad:,} found that are not as they should be; {output.count(files, 'file')} intact.", "red")
            )
        else:
            links = sum(1 for _ in stack.ledger.store.ids("chain"))
            lake = f"{output.count(files, 'file')}: all there and unchanged. " if with_lake else ""
            output.line(
                output.text("✓ ", "bold green"),
                f"{lake}The ledger's records agree, and its chain has {output.count(links, 'link')}.",
            )
    code = BOTH_DAMAGED if len(damages) > 1 else LAKE_DAMAGED if "lake" in damages else LEDGER_DAMAGED if damages else 0
    return code, verdicts


def _show(verdict: "Verified") -> None:
    from services.cli import output
    from services.cli.place import located

    damage = verdict.finding.damages is not None
    place = located(verdict.uri) if verdict.uri else verdict.record
    name = f"{verdict.dataset_id}@{verdict.version}" if verdict.dataset_id else place
    mark = output.text("✗ ", "bold red") if damage else output.text("• ", "yellow")
    output.line(mark, output.text(name, "bold"), f"  {verdict.finding}")
    if name != place:
        output.line(place, indent=2)
    output.line(verdict.message, indent=2)


def _known_head(head: Path | None, key: Path | None) -> "Head | None":
    """The head that the chain must contain, if one was given; its signature is by that key, if one was given, too."""
    if head is None:
        if key is not None:
            raise typer.BadParameter("give the head that was signed with it, too: --head FILE")
        return None
    from pydantic import ValidationError

    from libs.models import Head
    from libs.pipeline.signature import is_signed

    content, signature = head.read_bytes(), head.with_name(f"{head.name}.sig")
    if key is not None and not signature.exists():
        raise typer.BadParameter(f"there is no {signature}, which `spatial-etl admin chain-head --sign` writes beside the head")
    if key is not None and not is_signed(content, signature, key):
        raise typer.BadParameter(f"{signature} is no signature of {head} by the owner of {key}: the head says nothing")
    try:
        return Head.model_validate_json(content)
    except ValidationError as error:
        raise typer.BadParameter(f"{head} is no head of a chain, as `spatial-etl admin chain-head` writes it") from error


def _repair(stack: "Stack", tell: "Progress", asset: "Asset", lost: "Sequence[LakeFile]", *, as_json: bool) -> None:
    """Put back what can be, and say so file by file; beside the result where a program reads that."""
    from libs.pipeline.repair import repair
    from services.cli import output
    from services.cli.place import located

    for file in repair(stack, asset, lost, progress=tell):
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

    Uses the recorded inputs, from the landing zone or from raw files that were kept, and the recorded recipe. The lake is not
    changed.
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
    from libs.pipeline.maintenance import describe
    from libs.pipeline.maintenance import reconcile as reconcile_stack
    from libs.platform import open_stack
    from services.cli import output
    from services.cli.place import existing

    with open_stack(existing()) as stack:
        done = reconcile_stack(stack)
        described = describe(stack)
    if as_json:
        output.emit_json({**done.model_dump(mode="json"), "described": described})
        return
    _say(
        "Nothing to reconcile.",
        ("run", done.given_up, "given up; `spatial-etl process` tries its batch again"),
        ("run", done.published, "committed before the crash, now finished"),
        ("decision", done.linked, "added to the chain"),
        ("scratch folder", done.scratch, "removed"),
        ("workspace", done.workspaces, "dropped"),
        ("version", described, "had no record in the lake, and has one now"),
        ("notice", ("",) * done.notices, "sent"),
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
                ("raw file", [each.key for each in found.raw], "to remove: no version was made from it"),
                ("unfinished upload", ("",) * found.partial, "to remove"),
                ("part of a record", ("",) * found.records, "to remove: its run came to nothing"),
                ("lake file", found.young, "of a run that came to nothing, younger than a day: left for another time"),
                ("lake file", found.unknown, "left alone: no record says whose it is"),
            )
        if dry_run:
            if as_json:
                output.emit_json(found)
            return
        anything = bool(found.removable or found.partial or found.records or found.raw)
        if anything and not (yes or as_json) and sys.stdin.isatty():
            typer.confirm("Remove?", abort=True)
        done = collect(stack, found)
    if as_json:
        output.emit_json(done)
    elif anything:
        files = output.count(len(done.removed) + len(done.raw), "lake file")
        uploads = output.count(done.partial, "unfinished upload")
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
