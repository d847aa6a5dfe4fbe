"""``profile``: what the values of a version are like, and what drifted since the one before."""

from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, Version

if TYPE_CHECKING:
    from libs.models.profile import Drift, ValueProfile, VersionProfile

_BARS = " ▁▂▃▄▅▆▇█"
_LONG = 24
"""Characters of a value in the table."""


def profile(
    dataset: Version,
    *,
    against: Annotated[
        str | None,
        typer.Option(metavar="DATASET@N", help="Version to compare with.", show_default="the one before"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the values of a dataset version are like: nulls, distinct values, range, distribution, geometries.

    And what drifted since the version before, or another one. Of more than a million features, distinct values are estimated.
    """
    from libs.pipeline.version_profile import drift, profiles
    from libs.platform import open_stack
    from services.cli import output
    from services.cli.commands.catalog import find_asset
    from services.cli.place import existing

    with open_stack(existing()) as stack:
        asset = find_asset(stack.ledger, dataset)
        before = find_asset(stack.ledger, against) if against else None
        if before is None and asset.previous is not None:
            before = stack.ledger.asset(asset.dataset_id, asset.previous)
        now, then = profiles(stack, asset, before)
    drifted = drift(now, then) if then is not None else []
    if as_json:
        output.emit_json(now.model_dump(mode="json") | {"against": then.id if then else None, "drift": drifted})
    else:
        _show(now, then, drifted)


def _show(now: "VersionProfile", then: "VersionProfile | None", drifted: "list[Drift]") -> None:
    from services.cli import output

    output.line(output.text(now.id, "bold"), f"  {output.count(now.features, 'feature')}")
    if (shapes := now.geometry) is not None:
        types = ", ".join(f"{count:,} {kind}" for kind, count in shapes.types.items()) or "none"
        output.facts(
            [
                ("geometry", types),
                *([("without one", f"{shapes.missing:,}")] if shapes.missing else []),
                *([("empty", f"{shapes.empty:,}")] if shapes.empty else []),
                ("vertices", f"{shapes.vertices:,}, at most {shapes.most_vertices:,} in a feature"),
            ]
        )
    if now.columns:
        output.line()
        distinct = "DISTINCT (ABOUT)" if now.distinct_is_estimated else "DISTINCT"
        rows = [
            (
                each.name, each.type, f"{each.nulls:,}", "" if each.distinct is None else f"{each.distinct:,}",
                _cut(each.least), _cut(each.most), _values(each),
            )
            for each in now.columns
        ]  # fmt: skip
        output.table(("COLUMN", "TYPE", "NULLS", distinct, "LEAST", "MOST", "VALUES"), rows, right=("NULLS", distinct))
    if then is None:
        return
    output.line()
    output.line(output.text(f"Since {then.id}", "bold"), "" if drifted else "  Nothing drifted.")
    output.facts([(each.where, each.message) for each in drifted])


def _cut(text: str | None) -> str:
    return "" if text is None else text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def _values(column: "ValueProfile") -> str:
    if column.histogram:
        most = max(column.histogram) or 1
        return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in column.histogram)
    return ", ".join(f"{_cut(value)} ({count:,})" for value, count in column.frequent)
