"""The contracts: manifest, problem, report, asset, run, outcome, lineage, activity, settings. Imports pydantic only.

``settings`` is not imported here: most who need a contract need no settings.
"""

from libs.models.activity import Activity
from libs.models.asset import Asset, Changes, Field, FileRole, LakeFile, TableSummary, VectorSummary
from libs.models.base import BBox, Model, Record, utc_now
from libs.models.column import ColumnNotes
from libs.models.document import FORMAT, Document, NewerFormat
from libs.models.identity import LakeIdentity, LedgerIdentity, OwnLake
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
from libs.models.policies import Policies
from libs.models.problem import LakeOfAnother, NoHome, Problem, Rejected, ServiceUnavailable, SpatialEtlError
from libs.models.report import DatasetReport, Report
from libs.models.run import Decision, Outcome, OutcomePart, PartReference, Receipt, Reservation, Run, Status

__all__ = [
    "FORMAT", "Activity", "Asset", "BBox", "Changes", "ColumnNotes", "CsvOptions", "DatasetReport", "Decision", "Document",
    "Field", "FileRole", "FileSpec", "FileType", "InputLayer", "InputObject", "LakeFile", "LakeIdentity", "LakeOfAnother",
    "LedgerIdentity", "Lineage", "Manifest", "Model", "NewerFormat", "NoHome", "Outcome", "OutcomePart", "OwnLake",
    "ParsedManifest", "PartReference", "Policies", "Problem", "Receipt", "Record", "Rejected", "Report", "Reservation", "Run",
    "ServiceUnavailable", "SpatialEtlError", "Status", "TableSummary", "VectorSummary", "in_reading_order", "landing_key",
    "manifest_schema",
    "parse_manifest", "says_no_crs", "shortened", "utc_now",
]  # fmt: skip
