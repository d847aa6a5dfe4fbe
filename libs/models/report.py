"""The report: the outcome of a batch, the same for its uploader, for ``--json`` and for the ledger."""

from collections.abc import Callable

from libs.models.asset import Asset, Changes, FileRole, LakeFile, RasterSummary
from libs.models.base import BBox, Record, Sha256
from libs.models.growth import Growth
from libs.models.problem import Problem
from libs.models.quality import RuleResult
from libs.models.run import Outcome, Receipt, Status


class ReportFile(Record):
    """A file of a dataset version, as users see it.

    Attributes:
        uri: ``s3://<lake bucket>/<key>``, where the lake is now.
        bytes: Size.
        features: Rows in this file; None for a file without rows.
        role: A :class:`~libs.models.FileRole`, or one of a later release.
    """

    uri: str
    sha256: Sha256
    bytes: int
    features: int | None = None
    role: str = FileRole.DATA.value

    @classmethod
    def of(cls, file: LakeFile, uri_of: Callable[[str], str]) -> "ReportFile":
        """A recorded file.

        Args:
            file: The record.
            uri_of: Gives the URI of a lake key.
        """
        return cls(uri=uri_of(file.key), **file.model_dump(exclude={"key"}))


class DatasetReport(Record):
    """A dataset version that the batch made. Its attributes are those of the asset and of its summary."""

    dataset_id: str
    version: int
    kind: str = "vector"
    title: str | None = None
    previous: int | None = None
    features: int | None
    crs: str | None
    bbox: BBox | None
    geometry_types: tuple[str, ...]
    raster: RasterSummary | None = None
    changes: Changes
    files: tuple[ReportFile, ...]
    growth: Growth | None = None
    rules: tuple[RuleResult, ...] = ()

    @classmethod
    def of(cls, asset: Asset, uri_of: Callable[[str], str]) -> "DatasetReport":
        """A version. See :meth:`ReportFile.of`."""
        fields = {name: getattr(asset, name) for name in cls.model_fields if name != "raster"}
        fields["raster"] = asset.summary if isinstance(asset.summary, RasterSummary) else None
        return cls(**fields | {"files": tuple(ReportFile.of(file, uri_of) for file in asset.files)})


class Report(Record):
    """What became of a delivery of a batch.

    Attributes:
        manifest_sha256: Of the manifest's bytes: tells whose answer it is, where several came under one ``batch_id``.
        unchanged_since: Set when nothing was made, because nothing had changed: the run that made the batch's versions.
        worker: Who decided the run: host, process and a random part. It need not be the one that tells of it.
    """

    batch_id: str
    manifest_sha256: str | None = None
    run_id: str | None
    status: Status
    intent: str | None
    recipe: str | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    datasets: tuple[DatasetReport, ...] = ()
    unchanged_since: str | None = None
    worker: str | None = None

    @classmethod
    def of_outcome(cls, outcome: Outcome, uri_of: Callable[[str], str], manifest_sha256: str | None = None) -> "Report":
        """The report on a decided run.

        Args:
            outcome: What was decided.
            uri_of: Gives the URI of a lake key.
            manifest_sha256: Of the manifest that it answers.
        """
        datasets = tuple(DatasetReport.of(asset, uri_of) for asset in outcome.assets)
        return cls(
            batch_id=outcome.batch_id,
            manifest_sha256=manifest_sha256,
            run_id=outcome.run_id,
            status=Status(outcome.decision),
            intent=outcome.intent,
            recipe=outcome.recipe,
            problems=outcome.problems,
            warnings=outcome.warnings,
            datasets=datasets,
            unchanged_since=outcome.unchanged_since,
            worker=outcome.decided_by,
        )

    @classmethod
    def of_rejection(cls, receipt: Receipt) -> "Report":
        """The report on a manifest that never became a run."""
        content = receipt.content if isinstance(receipt.content, dict) else {}
        intent = content.get("intent")
        return cls(
            batch_id=receipt.batch_id,
            manifest_sha256=receipt.sha256,
            run_id=None,
            status=Status.REJECTED,
            intent=intent if isinstance(intent, str) else None,
            recipe=None,
            problems=receipt.problems,
        )


class DryRunReport(Report):
    """What would become of a batch: nothing of it was stored."""

    dry_run: bool = True
