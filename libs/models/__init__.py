"""The contracts: manifest, problem, report, asset, run, outcome, lineage, activity, settings. Imports pydantic only.

``settings`` is not imported here: most who need a contract need no settings.
"""

from libs.models.activity import Activity
from libs.models.asset import (
    Asset,
    Changes,
    Field,
    FileRole,
    LakeFile,
    Owner,
    RasterBand,
    RasterSummary,
    TableSummary,
    VectorSummary,
)
from libs.models.base import BBox, Model, Record, utc_now
from libs.models.chain import NOTHING, Head, Link
from libs.models.column import ColumnNotes
from libs.models.decisions import About, Current, Description, Grant
from libs.models.document import (
    FORMAT,
    SEAL,
    SEALED_SINCE,
    DamagedDocument,
    Document,
    NewerFormat,
    digest,
    format_of,
    was_changed,
)
from libs.models.growth import Growing, Growth, InputVersion, Rule, rule_of
from libs.models.identity import LakeIdentity, LedgerIdentity, OwnLake, Rebuilding
from libs.models.inputs import DatasetInput, Use, lake_key, lake_path
from libs.models.lineage import InputLayer, InputObject, Lineage
from libs.models.manifest import (
    CsvOptions,
    FileSpec,
    FileType,
    Manifest,
    ParsedManifest,
    in_reading_order,
    landing_key,
    manifest_schema,
    parse_manifest,
    says_no_crs,
    shortened,
)
from libs.models.notice import Event, Notice, NoticeEnd, NoticeResult, NoticeTry
from libs.models.policies import Policies
from libs.models.problem import (
    DamagedBackup,
    LakeOfAnother,
    NoHome,
    NotEmpty,
    Problem,
    Rejected,
    ServiceUnavailable,
    SpatialEtlError,
)
from libs.models.quality import RuleResult, WithRules, rules_of
from libs.models.release import NewerRelease, UsedFormat
from libs.models.report import DatasetReport, Report, ReportFile
from libs.models.run import Decision, Outcome, OutcomePart, PartReference, Receipt, Reservation, Run, Status, WorkerProcess
from libs.models.verified import Finding, Verified
from libs.models.version_record import DamagedRecord, VersionRecord

__all__ = [
    "FORMAT", "NOTHING", "SEAL", "SEALED_SINCE", "About", "Activity", "Asset", "BBox", "Changes", "ColumnNotes",
    "CsvOptions", "Current", "DamagedBackup", "DamagedDocument", "DamagedRecord", "DatasetInput", "DatasetReport",
    "Decision", "Description", "Document", "Event", "Field", "FileRole", "FileSpec", "FileType", "Finding", "Grant",
    "Growing", "Growth", "Head", "InputLayer", "InputObject", "InputVersion", "LakeFile", "LakeIdentity", "LakeOfAnother",
    "LedgerIdentity", "Lineage", "Link", "Manifest", "Model", "NewerFormat", "NewerRelease", "NoHome", "NotEmpty", "Notice",
    "NoticeEnd", "NoticeResult", "NoticeTry", "Outcome", "OutcomePart", "OwnLake", "Owner", "ParsedManifest",
    "PartReference", "Policies", "Problem", "RasterBand", "RasterSummary", "Rebuilding", "Receipt", "Record", "Rejected",
    "Report", "ReportFile", "Reservation", "Rule", "RuleResult", "Run", "ServiceUnavailable", "SpatialEtlError", "Status",
    "TableSummary", "Use", "UsedFormat", "VectorSummary", "Verified", "VersionRecord", "WithRules", "WorkerProcess",
    "digest", "format_of", "in_reading_order", "lake_key", "lake_path", "landing_key", "manifest_schema", "parse_manifest",
    "rule_of", "rules_of", "says_no_crs", "shortened", "utc_now", "was_changed",
]  # fmt: skip
