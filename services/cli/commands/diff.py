"""``diff``: what is different between two versions of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, Version

if TYPE_CHECKING:
    from libs.pipeline.diff import Differences


def diff(
    old: Version,
    new: Version,
    *,
    key: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Tells which feature is which. Without it, whole features are compared."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the features that differ as GeoParquet, with a column 'change'."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if there is one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two versions of a dataset: features that were added, removed or changed.

    The order of rows does not matter. Nothing in the lake is changed.
    """
    from libs.pipeline.diff import diff as compare
    from libs.platform import open_stack
    from services.cli import output
    from services.cli.commands.catalog import find_asset
    from services.cli.place import existing

    if to is not None and to.exists() and not overwrite:
        raise typer.BadParameter(f"{to} exists. Name another file, or replace it by --overwrite.", param_hint="--to")
    with open_stack(existing()) as stack:
        then, now = find_asset(stack.ledger, old), find_asset(stack.ledger, new)
        found = compare(stack, then, now, key=key, target=to, overwrite=overwrite)
    if as_json:
        output.emit_json(found)
    else:
        _show(found, then.id, now.id)


def _show(found: "Differences", old: str, new: str) -> None:
    from services.cli import output

    output.line(output.text(f"{old} -> {new}", "bold"))
    facts: list[tuple[str, object]] = [
        (name, f"{count:,}")
        for name, count in (("added", found.added), ("removed", found.removed), ("changed", found.changed))
        if name != "changed" or found.key is not None
    ]
    facts.append(("unchanged", f"{found.unchanged:,}"))
    facts += [(f"changed {name}", output.count(count, "feature")) for name, count in found.changed_columns.items()]
    facts += [("new column", f"{name} (not compared)") for name in found.new_columns]
    facts += [("column gone", f"{name} (not compared)") for name in found.gone_columns]
    facts += [("other type", f"{name}: {then}, now {now} (not compared)") for name, (then, now) in found.other_types.items()]
    facts += [("not compared", name) for name in found.not_compared]
    if found.crs is not None:
        facts.append(("other CRS", f"{found.crs[0]}, now {found.crs[1]} (coordinates are compared as they are)"))
    if found.file is not None:
        facts.append(("file", found.file))
    output.facts(facts)
    if found.features:
        output.line()
        rows = [(each.change, each.key, ", ".join(each.columns)) for each in found.features]
        output.table(("CHANGE", str(found.key), "COLUMNS"), rows)
        rest = found.added + found.removed + found.changed - len(rows)
        if rest:
            output.line(output.text(f"... and {rest:,} more: --to FILE.parquet writes all.", "dim"))
