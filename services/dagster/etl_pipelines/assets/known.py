"""The datasets that the ledger knows, as definitions: by them Dagster shows groups, descriptions and checks.

A dataset that is new is seen by its events at once. It has its definition when the code server has loaded them again, which
whoever runs the platform asks for (``services.dagster.processes``).
"""

import logging
import re
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from time import monotonic

import dagster as dg
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

from libs.ledger import Ledger
from libs.models import Asset, Lineage, ServiceUnavailable
from libs.models.settings import Settings
from libs.platform import open_lake, open_ledger
from libs.storage import DataLake
from services.dagster.etl_pipelines.assets.datasets import project_of, summary
from services.dagster.etl_pipelines.assets.preview import preview
from services.dagster.etl_pipelines.checks.in_time import WAITING
from services.dagster.etl_pipelines.checks.intact import verify_link
from services.dagster.etl_pipelines.markdown import inert

NO_PROJECT = "no_project"
"""Group of datasets whose manifest names no project."""
PICTURES = 40
"""Datasets, the newest, whose description has a picture. The others' stands in their metadata: Dagster holds all descriptions."""
LARGEST = 4 * 1024 * 1024
"""Bytes of a file that is drawn whenever definitions are loaded."""
PIXELS = 180
"""Of such a picture: a longer description is folded."""
SECONDS = 2.0
"""To begin no further picture after."""
_LONG = 60
"""Characters of a group's name."""

_known: "list[Known]" = []


@dataclass(frozen=True)
class Known:
    """A dataset as its definition shows it.

    Attributes:
        dataset_id: Its id.
        group: Its project, as a name that Dagster allows.
        description: Markdown: what the latest version is, and a link by which it is verified.
        has_rules: Whether its latest version was held against quality rules.
    """

    dataset_id: str
    group: str = NO_PROJECT
    description: str = ""
    has_rules: bool = False


def known_datasets() -> list[Known]:
    """The datasets in the ledger; none when it cannot be reached.

    A code server loads the definitions twice: to find out what there is, and again from what it found. A run's worker does only
    the latter. So it has no definitions of datasets: it needs none, and 5,000 would cost each run a second.
    """
    if DefinitionsLoadContext.get().load_type is DefinitionsLoadType.INITIALIZATION:
        _known[:] = _read()
    return list(_known)


def describe(ledger: Ledger, lake: DataLake) -> list[Known]:
    """Every dataset in the ledger, by its latest version; the newest with their pictures."""
    assets = list(ledger.datasets())
    lineages = ledger.lineages([asset.id for asset in assets])
    pictures: dict[str, str] = {}
    until = monotonic() + SECONDS
    with suppress(ServiceUnavailable):  # without the lake, there are no pictures
        for asset in sorted(assets, key=lambda each: each.created_at, reverse=True)[:PICTURES]:
            if monotonic() < until and (drawing := preview(lake, asset, LARGEST, PIXELS)):
                pictures[asset.id] = drawing
    return [_described(asset, lineages.get(asset.id), pictures.get(asset.id)) for asset in assets]


def projects_of(ledger: Ledger) -> dict[str, str | None]:
    """The project of each dataset, by its latest version."""
    latest = ledger.newest_versions()
    lineages = ledger.lineages([f"{dataset_id}@{version}" for dataset_id, version in latest.items()])
    return {dataset_id: project_of(lineages.get(f"{dataset_id}@{version}")) for dataset_id, version in latest.items()}


def specs(datasets: Sequence[Known]) -> list[dg.AssetsDefinition]:
    """One definition for all of them, and for the work that waits: with one each, loading takes longer."""
    described = [dg.AssetSpec(each.dataset_id, description=each.description, group_name=each.group) for each in datasets]
    if described:
        described.append(dg.AssetSpec(WAITING, description="What waits in the landing zone.", group_name="platform"))
    return [dg.AssetsDefinition(specs=described)] if described else []


def _read() -> list[Known]:
    try:
        settings = Settings()
        ledger = open_ledger(settings)
        with closing(ledger.store):
            return describe(ledger, open_lake(settings))
    except ServiceUnavailable as error:
        logging.getLogger(__name__).warning("%s No dataset has a definition until the code server starts again.", error)
        return []


def _described(asset: Asset, lineage: Lineage | None, picture: str | None) -> Known:
    lines = [summary(asset, lineage), *([picture] if picture else [])]
    if asset.title:
        lines.append(f"Title: {inert(asset.title)}")
    lines.append(
        f"[Verify the files of this dataset]({verify_link(asset.dataset_id)}). In a terminal: `spatial-etl show {asset.id}`"
    )
    return Known(asset.dataset_id, _group(project_of(lineage)), "\n\n".join(lines), bool(asset.rules))


def _group(project: str | None) -> str:
    """A project's name as Dagster allows one: letters, digits and underscores of ASCII."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", (project or "")[:_LONG]).strip("_")
    return name or NO_PROJECT
