"""Going back to an earlier version of a dataset, or forward again: one decision in the ledger; no file is touched."""

from libs.ledger import Ledger
from libs.models import Asset, Current, Problem, Rejected
from libs.models.settings import Settings
from libs.pipeline.identity import require_own_lake
from libs.storage import DataLake


def make_current(settings: Settings, lake: DataLake, ledger: Ledger, asset: Asset, by: str) -> Current | None:
    """Make a version the current one of its dataset, until a newer one is delivered.

    Args:
        settings: Name the lake and the ledger in an error.
        lake: Must hold the files of the version.
        ledger: Where it is decided.
        asset: The version.
        by: Who decides it.

    Returns:
        The decision; None when it is the current one already.

    Raises:
        Rejected: when a file of the version is gone.
        LakeOfAnother: when lake and ledger do not belong together.
    """
    require_own_lake(settings, lake, ledger, bind=False)
    gone = [file for file in asset.files if lake.store.head(file.key) is None]
    if gone:
        raise Rejected(
            Problem(
                code="version_incomplete", where=asset.id, message=f"The lake does not hold its file {lake.uri(file.key)!r}.",
                remedy=f"Restore it from a backup, or make it again: 'spatial-etl replay {asset.id} --output {file.name}'.",
            )
            for file in gone
        )  # fmt: skip
    return ledger.make_current(asset, by)
