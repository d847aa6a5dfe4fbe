"""Whether the files of a dataset are still as recorded. Reported by the job ``verify``, of every dataset that it looks at."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

import dagster as dg

from libs.pipeline.verify import Verified
from services.dagster.etl_pipelines.markdown import plain

NAME = "intact"
SHOWN = 20
"""Damaged files that are named; the run names them all."""


def intact(dataset_id: str, verdicts: Sequence[Verified], at: datetime) -> dg.AssetCheckEvaluation:
    """What was found of a dataset's files.

    Args:
        dataset_id: The dataset.
        verdicts: On all files that were looked at.
        at: When.
    """
    bad = [verdict for verdict in verdicts if verdict.finding.damages]
    versions = sorted({verdict.version for verdict in verdicts if verdict.version is not None})
    looked = f"{len(verdicts):,} files of version{'s' if len(versions) > 1 else ''} {_spans(versions)}"
    when = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    found = (
        f"{len(bad):,} of {looked} are not as recorded" if bad else f"{looked}: size and SHA-256 as recorded, and no other file"
    )
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(dataset_id),
        check_name=NAME,
        passed=not bad,
        description=f"{found}, at {when}.",
        metadata={
            "checked": dg.MetadataValue.text(f"{looked}: size and SHA-256 of each, and that nothing else lies beside them"),
            "at": dg.MetadataValue.text(when),
            **{
                plain(each.uri or each.record or dataset_id): dg.MetadataValue.text(f"{each.finding}: {plain(each.message)}")
                for each in bad[:SHOWN]
            },
        },
    )


def spec(dataset_id: str) -> dg.AssetCheckSpec:
    """By which the page of a dataset shows what was found."""
    described = (
        "Size and SHA-256 of every file, held against the record by the job verify: nightly in parts, "
        f"or when somebody [launches it for this dataset]({verify_link(dataset_id)})."
    )
    return dg.AssetCheckSpec(NAME, asset=dataset_id, description=described)


def verify_link(dataset_id: str) -> str:
    """Where the form lies that verifies a dataset: somebody still has to press its button."""
    config = f'ops:\n  verify_files:\n    config:\n      datasets: ["{dataset_id}"]\n'
    return f"/locations/spatial-etl/jobs/verify/playground/setup?config={quote(config, safe='')}"


def _spans(numbers: Sequence[int]) -> str:
    """Version numbers in few characters.

    >>> _spans([1, 2, 3, 7])
    '1-3, 7'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][-1] == number - 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans)
