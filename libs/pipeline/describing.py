"""What people say of a dataset, and whether it is in use: one decision in the ledger for each change; no version, no file."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from libs.ledger import Ledger, Records
from libs.models import Description, Problem, Rejected
from libs.models.settings import Settings
from libs.pipeline.identity import require_own_lake
from libs.storage import DataLake


def describe(
    settings: Settings, lake: DataLake, ledger: Ledger, dataset_id: str, said: Mapping[str, Any], by: str
) -> Description | None:
    """Say something of a dataset, retire it, or take it into use again.

    Args:
        settings: Name the lake and the ledger in an error.
        lake: Of the ledger.
        ledger: Where it is decided.
        dataset_id: The dataset. It exists.
        said: Fields of :class:`libs.models.About` with their new values; None, or no tag, takes one back.
        by: Who decides it.

    Returns:
        The decision; None when all of that is said already.

    Raises:
        Rejected: with each value that is not possible.
        LakeOfAnother: when lake and ledger do not belong together.
    """
    require_own_lake(settings, lake, ledger, bind=False)
    try:
        return ledger.describe(dataset_id, said, by)
    except ValidationError as error:
        raise Rejected(
            Problem(
                code="bad_description", where=".".join(map(str, details["loc"])),
                message=f"It cannot be said so: {details['msg']}.", remedy="Shorten it, and leave control characters out.",
            )
            for details in error.errors(include_url=False)
        ) from error  # fmt: skip


def refuse_retired(past: Records, dataset_ids: Collection[str]) -> None:
    """Refuse new versions of datasets that are retired.

    Raises:
        Rejected: naming each, and who retired it.
    """
    said = past.descriptions(next(iter(dataset_ids)) if len(dataset_ids) == 1 else None)
    retired = [each for each in map(said.get, sorted(dataset_ids)) if each is not None and each.about.retired is not None]
    if retired:
        raise Rejected(
            Problem(
                code="dataset_retired", where=f"dataset {each.dataset_id}",
                message=f"It is retired, says {each.decided_by}: {each.about.retired}",
                remedy=f"If it is to be used again, 'spatial-etl restore {each.dataset_id}' takes deliveries. If another dataset "
                f'is meant, write "dataset_id": "{each.dataset_id}_2" for this file in the manifest.',
            )
            for each in retired
        )  # fmt: skip
