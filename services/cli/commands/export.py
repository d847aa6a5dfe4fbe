"""``export``: a version, or a part of it, as a file for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, Version

if TYPE_CHECKING:
    from libs.pipeline.export import Exported


def export(
    dataset: Version,
    *,
    to: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The file to write: .gpkg, .fgb, .geojson, .shp.zip, .csv, .kml or .parquet."),
    ],
    bbox: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(metavar="XMIN YMIN XMAX YMAX", help="Only features whose extent touches this box, in the dataset's CRS."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="CONDITION", help="Only features that meet it: \"use = 'school' AND floors >= 3\"."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Only these columns, in this order: name,use. May be given several times."),
    ] = None,
    crs: Annotated[str | None, typer.Option(metavar="CRS", help="Reproject: EPSG:25832.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if there is one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a dataset version, or a part of it, into a file for other programs.

    The end of the file's name says the format. What the format cannot hold is told. Beside the file, FILE.lineage.json says where
    the data come from. The lake is not changed.
    """
    from libs.pipeline.export import Selection
    from libs.pipeline.export import export as export_version
    from libs.platform import open_stack
    from libs.transformations.where import parse
    from services.cli import output
    from services.cli.commands.catalog import find_asset, find_lineage
    from services.cli.place import existing

    if to.is_dir():
        raise typer.BadParameter(f"{to} is a folder. Name a file in it, such as {to / 'map.gpkg'}.", param_hint="--to")
    if to.exists() and not overwrite:
        raise typer.BadParameter(f"{to} exists. Name another file, or replace it by --overwrite.", param_hint="--to")
    if bbox is not None and not (bbox[0] <= bbox[2] and bbox[1] <= bbox[3]):
        raise typer.BadParameter("give XMIN YMIN XMAX YMAX: the lower value of each axis comes first.", param_hint="--bbox")
    condition = None if where is None else parse(where)
    with open_stack(existing()) as stack:
        asset = find_asset(stack.ledger, dataset)
        names = None if columns is None else tuple(_split(columns, {field.name for field in asset.table_schema}))
        selection = Selection(bbox=bbox, where=where, columns=names, crs=crs)
        done = export_version(stack, asset, find_lineage(stack.ledger, asset), to, selection, condition, overwrite=overwrite)
    if as_json:
        output.emit_json(done)
    else:
        _show(done)


def _split(given: list[str], known: set[str]) -> list[str]:
    """The names in a list with commas. A name that has a comma itself is given by itself."""
    return [name for each in given for name in ([each] if each in known else map(str.strip, each.split(",")))]


def _show(done: "Exported") -> None:
    from services.cli import output

    version = f"{done.dataset_id}@{done.version}"
    output.line(output.text("✓ ", "bold green"), output.text(version, "bold"), f" -> {done.file}")
    of = f" of {done.features + done.left_out:,}" if done.left_out else ""
    facts: list[tuple[str, object]] = [
        ("format", done.format),
        ("features", f"{done.features:,}{of}"),
        *([("CRS", output.short_crs(done.crs))] if done.crs else []),
        ("size", output.size(done.bytes)),
    ]
    output.facts(facts)
    output.problems(done.warnings, style="yellow")
