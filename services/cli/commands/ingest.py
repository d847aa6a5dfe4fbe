"""``ingest``: files on a disk to datasets in the lake, with a manifest made on the way."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, DryRun, Intent, Replace

if TYPE_CHECKING:
    from libs.models import ParsedManifest
    from libs.pipeline.delivery import LocalFile

POLICIES = "When some rows are bad"
CHANGES = "When a dataset has a version already"
GROWS = "To grow a dataset instead of replacing it"


def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            exists=True,
            help="Files, with the sidecars beside them; folders, with all data in them. A FileGDB is its folder.",
        ),
    ],
    *,
    intent: Intent = "ingest_vector",
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the recipe. Repeatable.")] = None,
    named_input: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=FILE|DATASET",
            help="A further input of the recipe: a file, FILE:LAYER, or a dataset, DATASET@N. Repeatable.",
        ),
    ] = None,
    project: Annotated[str | None, typer.Option(metavar="NAME", help="Begins the names of the datasets.")] = None,
    dataset_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name the dataset; several FILEs are appended into it.")
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="CRS of files that do not carry one: EPSG:25832, or WKT; none for local coordinates."),
    ] = None,
    replace_crs: Annotated[
        bool, typer.Option("--replace-crs", help="--crs holds even where the file names another CRS, which is wrong.")
    ] = False,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read only this layer, or those that a pattern such as 'road_*' fits.")
    ] = None,
    missing_sidecars: Annotated[
        str | None,
        typer.Option(metavar="reject|allow", help="'allow': read a Shapefile without its .shx or .dbf, a .mif without its .mid."),
    ] = None,
    keep_key: Annotated[
        bool, typer.Option("--keep-key", help="GeoPackage, FileGDB: keep the key that numbers the rows (fid, OBJECTID).")
    ] = False,
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help="Character encoding, for formats that do not say.")] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Format, where the extension does not say it.")
    ] = None,
    x: Annotated[
        str | None, typer.Option("--x", metavar="COLUMN", help="CSV, spreadsheet: column with the x coordinate or longitude.")
    ] = None,
    y: Annotated[
        str | None, typer.Option("--y", metavar="COLUMN", help="CSV, spreadsheet: column with the y coordinate or latitude.")
    ] = None,
    geometry: Annotated[
        str | None,
        typer.Option(
            "--geometry",
            "--wkt",
            metavar="COLUMN",
            help="CSV, spreadsheet: column with geometries (WKT, EWKT, WKB in hex, GeoJSON). Other formats: which of several.",
        ),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHARACTER", help="CSV: delimiter; found out from the file when left out.")
    ] = None,
    decimal: Annotated[str | None, typer.Option(metavar="CHARACTER", help="CSV: decimal separator, . or ,")] = None,
    thousands: Annotated[str | None, typer.Option(metavar="CHARACTER", help="CSV: separator of thousands.")] = None,
    null_value: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="CSV: a text that means a missing value. Repeatable.")
    ] = None,
    quote: Annotated[str | None, typer.Option(metavar="CHARACTER", help='CSV: what quotes values; "" for nothing.')] = None,
    header: Annotated[
        str | None,
        typer.Option(metavar="ROW", help="CSV, spreadsheet: row with the column names, or none if there are no names."),
    ] = None,
    skip_rows: Annotated[int | None, typer.Option(metavar="N", help="CSV: lines to skip before the column names.")] = None,
    comment: Annotated[str | None, typer.Option(metavar="CHARACTER", help="CSV: lines that begin with it are no rows.")] = None,
    on_bad_value: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="A value that its column cannot hold: reject, set_aside or null.", rich_help_panel=POLICIES
        ),
    ] = None,
    on_bad_geometry: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="A geometry that cannot be read: reject, set_aside, null or fix.", rich_help_panel=POLICIES
        ),
    ] = None,
    on_bad_text: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="Text that cannot be decoded: reject, set_aside, null or fix.", rich_help_panel=POLICIES
        ),
    ] = None,
    max_set_aside: Annotated[
        str | None,
        typer.Option(
            metavar="N|SHARE",
            help="How many features may be set aside: 100, 0.02 or 2%.",
            show_default="1%",
            rich_help_panel=POLICIES,
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Quality rules that must hold, a list as YAML or JSON.",
            exists=True,
            dir_okay=False,
            rich_help_panel=POLICIES,
        ),
    ] = None,
    raw: Annotated[
        str | None,
        typer.Option(metavar="keep|leave", help="'keep': keep a copy of each raw file in the lake, for `replay`."),
    ] = None,
    on_change: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="A version unlike the one before: allow, warn or reject; or for some only: kind=allow,crs=reject. Others: name, "
            "columns, geometry_types, features, extent.",
            show_default="kind=reject,name=reject, else warn",
            rich_help_panel=CHANGES,
        ),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help="replace the dataset; append features; upsert: replace features of the same --key, add the others; delete those "
            "with the keys of the FILEs. Needs --dataset-id.",
            show_default="replace",
            rich_help_panel=GROWS,
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="What tells features apart. Repeatable.", rich_help_panel=GROWS),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            metavar="strict|widen",
            help="widen: the FILEs may have further columns, and larger types of numbers.",
            show_default="strict",
            rich_help_panel=GROWS,
        ),
    ] = None,
    batch_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name of the batch.", show_default="file name and time")
    ] = None,
    uploader: Annotated[str | None, typer.Option(metavar="NAME", help="Who delivers.", show_default="user name")] = None,
    keep_going: Annotated[
        bool,
        typer.Option("--keep-going", help="Make each file a batch of its own: good ones go in, bad ones are listed at the end."),
    ] = False,
    replace: Replace = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Process FILEs as one batch, all or nothing: manifest, upload, report.

    Every layer becomes a dataset of its own, named <project>.<file>[.<layer>] unless --dataset-id names it.
    """
    from libs.spatial_utils import reading

    reading.warm_up()  # first: it starts while the rest is imported
    from libs.models.settings import Settings
    from libs.pipeline.delivery import given, make_manifest, new_batch_id
    from libs.spatial_utils.formats import find_format
    from services.cli import ingestion
    from services.cli.delivery import (
        changes,
        named_inputs,
        number_or_share,
        parameters,
        quality_rules,
        row_number,
        usage_errors,
        user,
    )
    from services.cli.place import home_told

    options = given(
        x=x, y=y, delimiter=delimiter, decimal=decimal, thousands=thousands, null_values=null_value, quote=quote,
        header=row_number(header), skip_rows=skip_rows, comment=comment,
    )  # fmt: skip
    of_all = given(
        missing_sidecars=missing_sidecars,
        crs=crs,
        replace_crs=replace_crs or None,
        layer=layer,
        geometry=geometry,
        dataset_id=dataset_id,
        encoding=encoding,
        keep_key=keep_key or None,
    )
    policies = given(
        on_bad_value=on_bad_value,
        on_bad_geometry=on_bad_geometry,
        on_bad_text=on_bad_text,
        max_set_aside=number_or_share(max_set_aside),
        on_change=changes(on_change),
        rules=quality_rules(rules),
        mode=mode,
        key=key or None,
        schema=schema,
    )
    settings = Settings()
    inputs = named_inputs(named_input or ())

    def manifest(uploads: "Sequence[LocalFile]", batch_id: str) -> "ParsedManifest":
        return make_manifest(
            settings.landing.bucket,
            uploads,
            batch_id=batch_id,
            uploader=user() if uploader is None else uploader,
            intent=intent,
            parameters=parameters(param or ()),
            metadata=given(project=project),
            options=options,
            of_all=of_all,
            policies=policies,
            raw=raw,
            inputs=inputs,
        )

    with usage_errors(), home_told(settings):
        order = ingestion.Order(
            settings=settings,
            chosen=find_format(file_format, "--format") if file_format else None,
            manifest=manifest,
            inputs=inputs,
            options=options,
            of_all=of_all,
            replace=replace,
            dry_run=dry_run,
            as_json=as_json,
        )
        found = ingestion.data_of(files, settings)
        if keep_going and dataset_id is not None and len(found) > 1:
            said = "With --keep-going, each file would become a newer version of it. Leave one of the two out."
            raise typer.BadParameter(said, param_hint="--dataset-id")
        if keep_going:
            good = ingestion.ingest_each(order, found, batch_id)
        else:
            good = ingestion.ingest_together(order, found, new_batch_id(files[0]) if batch_id is None else batch_id)
    raise typer.Exit(0 if good else 1)
