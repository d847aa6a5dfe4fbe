"""The report on a batch, for people: what became of it, and either where its data is or what was wrong."""

from collections.abc import Callable, Sequence

from libs.models import Asset, DatasetReport, FileRole, Growth, InputLayer, RasterSummary, Report, RuleResult, Status
from libs.platform.telling import changes
from services.cli import output

SHOWN = 200
"""Datasets, and warnings, that are listed of one batch."""
MARKS = {Status.SUCCESS: "✓", Status.REJECTED: "✗", Status.FAILURE: "✗", Status.CANCELED: "✗"}


def show(report: Report, locate: Callable[[str], str], *, took: float | None = None) -> None:
    """Print a report.

    Args:
        report: On one batch.
        locate: Gives the place of an ``s3://`` URI as a person on this machine reaches it.
        took: Seconds, when they are known.
    """
    style = output.STYLES.get(report.status, "")
    shown, said = MARKS.get(report.status, "•"), str(report.status)
    if report.unchanged_since:
        style, shown, said = "cyan", "=", "nothing new"
    parts = [output.text(f"{shown} ", f"bold {style}"), output.text(report.batch_id, "bold"), "  ", output.text(said, style)]
    if report.datasets:
        parts.append(f": {output.count(len(report.datasets), 'dataset')}")
    if report.problems:
        parts.append(f": {output.count(len(report.problems), 'problem')}")
    if took is not None:
        parts.append(output.text(f"  in {output.seconds(took)}", "dim"))
    output.line(*parts)
    output.problems(report.problems, style=style)
    for dataset in report.datasets[:SHOWN]:
        _dataset(dataset, locate)
    _more(len(report.datasets), "dataset")
    if report.unchanged_since:
        output.problems(report.warnings, style=style)
    elif report.warnings:
        output.line(output.text(output.count(len(report.warnings), "warning"), "yellow"), indent=2)
        output.problems(report.warnings[:SHOWN], style="yellow")
        _more(len(report.warnings), "warning")


def _more(there: int, noun: str) -> None:
    """How many of a list were not shown, and where they are."""
    if there > SHOWN:
        output.line(output.text(f"... and {output.count(there - SHOWN, noun)} more; --json lists them all.", "dim"), indent=2)


def show_dry_run(report: Report, *, took: float | None = None) -> None:
    """Print the report of a dry run: its files are nowhere."""
    show(report, lambda uri: uri, took=took)
    output.line(output.text("Dry run: nothing was stored.", "cyan"))


def _dataset(dataset: DatasetReport, locate: Callable[[str], str]) -> None:
    output.line(
        output.text(f"{dataset.dataset_id}@{dataset.version}", "bold"),
        f"  {'' if dataset.features is None else output.count(dataset.features, 'feature')}  {geometry(dataset)}  {crs(dataset)}",
        indent=2,
    )
    if name := title(dataset):
        output.line(output.text("title    ", "dim"), name, indent=4)
    if dataset.growth:
        output.line(output.text("growth   ", "dim"), growth(dataset.growth, dataset.dataset_id), indent=4)
    for number, said in enumerate(rules(dataset.rules)):
        output.line(output.text("" if number else "rules    ", "dim"), said, indent=13 if number else 4)
    changed = changes(dataset.changes)
    if changed:
        output.line(output.text("changed  ", "dim"), "; ".join(changed), indent=4)
    for file in dataset.files:
        role = "file" if file.role == FileRole.DATA else file.role
        output.line(
            output.text(f"{role:<9}", "dim"),
            locate(file.uri),
            output.text(f"  {output.size(file.bytes)}", "dim"),
            indent=4,
        )


def title(dataset: Asset | DatasetReport) -> str:
    """What the uploader called it, where the identifier cannot: it is ASCII."""
    return dataset.title if dataset.title and not dataset.title.isascii() else ""


def geometry(dataset: Asset | DatasetReport) -> str:
    """Geometry types in one cell; a table has none, and no CRS either."""
    if isinstance(dataset, Asset) and isinstance(dataset.summary, RasterSummary):
        return raster(dataset.summary)
    if dataset.kind not in {"vector", "table"}:
        return dataset.kind if isinstance(dataset, Asset) or dataset.raster is None else raster(dataset.raster)
    return ", ".join(dataset.geometry_types) or ("table" if dataset.crs is None else "no geometry")


def raster(summary: RasterSummary) -> str:
    """Size and bands of a raster in one cell."""
    bands = summary.bands
    types = ", ".join(dict.fromkeys(band.type for band in bands))
    return f"{summary.width:,} x {summary.height:,} pixels, {output.count(len(bands), 'band')} ({types})"


def crs(dataset: Asset | DatasetReport) -> str:
    """Its CRS in one cell; the coordinates of a layer without one are local."""
    return "no CRS" if dataset.crs is None and dataset.geometry_types else output.short_crs(dataset.crs)


def input_crs(layer: InputLayer) -> str:
    """The CRS that a layer was read in, and whether anybody said that it is."""
    match layer.crs_source, layer.crs:
        case "format", _:
            return f"{output.short_crs(layer.crs)} (assumed: the default of {layer.format})"
        case "manifest", None:
            return "no CRS"
    return output.short_crs(layer.crs)


def rules(results: Sequence[RuleResult]) -> list[str]:
    """What quality rules have found, a line each for those that do not hold; nothing where there are none."""
    broken = [result for result in results if result.failed]
    if not results:
        return []
    held = f"{len(results) - len(broken)} of {output.count(len(results), 'rule')} held"
    return [held, *(f"{result.label} ({result.severity}): {result.said}" for result in broken)]


def growth(made: Growth, dataset_id: str) -> str:
    """What a delivery did to the version before, in words."""
    counts = {"added": made.added, "updated": made.updated, "unchanged": made.unchanged, "deleted": made.deleted}
    said = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number) or "nothing changed"
    key = f" by {', '.join(made.key)}" if made.key else ""
    return f"{made.mode}{key} to {dataset_id}@{made.base}: {said}" if made.base else f"{made.mode}{key}: {said}"
