"""Every document of the ledger goes to plain values and comes back the same."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from libs.models import (
    Activity,
    Asset,
    Changes,
    Current,
    Decision,
    Document,
    Event,
    Field,
    Grant,
    InputLayer,
    InputObject,
    LakeFile,
    LakeIdentity,
    LedgerIdentity,
    Lineage,
    NewerFormat,
    Notice,
    NoticeEnd,
    NoticeResult,
    NoticeTry,
    Outcome,
    OwnLake,
    Problem,
    Receipt,
    Report,
    Reservation,
    Run,
    Status,
    TableSummary,
    VectorSummary,
    utc_now,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
SHA = "0123456789abcdef" * 4
PROBLEM = Problem(code="crs_mismatch", where="files[0].crs", message="They differ.", remedy="Correct it.")
CHANGES = Changes(repaired=1, dropped={"clip": 2}, renamed={"geom": "geom_1"}, counts={"simplified": 3})
FILE = LakeFile(key="a.b/v2/data.parquet", sha256=SHA, bytes=10, features=3)
SUMMARY = VectorSummary(
    features=3, crs="EPSG:4326", bbox=(0.1, -1.0, 2.0, 3.5), geometry_types=("Point", "Polygon Z"),
    table_schema=(Field(name="id", type="int64"),), meanings={"id": "House number"},
)  # fmt: skip
ASSET = Asset(
    dataset_id="a.b", version=2, run_id="x#1", batch_id="x", created_at=NOW, changes=CHANGES, files=(FILE,), summary=SUMMARY
)  # fmt: skip
INPUT = InputLayer(
    file=0, path="s3://landing-zone/a.gpkg", format="GPKG", layer="roads", crs=None, features=3,
    objects=(InputObject(key="a.gpkg", sha256=SHA, bytes=1),),
)  # fmt: skip
LINEAGE = Lineage(
    dataset_id="a.b", version=2, run_id="x#1", batch_id="x", uploader="me", created_at=NOW, intent="ingest",
    recipe={"steps": [{"op": "reproject"}]}, manifest={"files": []}, inputs=(INPUT,), changes=CHANGES, engine="duckdb",
    software={"duckdb": "1"}, seconds={"read": 0.25},
)  # fmt: skip
OUTCOME = Outcome(
    run_id="x#1", batch_id="x", decision=Decision.SUCCESS, decided_at=NOW, decided_by="me", intent="ingest", recipe="default",
    warnings=(PROBLEM,), assets=(ASSET,), lineage=(LINEAGE,),
)  # fmt: skip
RECEIPT = Receipt(batch_id="x", sha256=SHA, key="manifests/x.json", received_at=NOW, content={"a": [1.5]}, problems=(PROBLEM,))
RUN = Run(
    batch_id="x",
    attempt=1,
    receipt_id=RECEIPT.id,
    manifest_version="u",
    owner="me",
    started_at=NOW,
    heartbeat_at=NOW,
    lease_seconds=60,
)
RESERVATION = Reservation(dataset_id="a.b", version=2, run_id="x#1", prefix="a.b/v2/", names=("data.parquet",), reserved_at=NOW)
CURRENT = Current(dataset_id="a.b", number=3, version=1, newest=2, decided_by="me", decided_at=NOW)
GRANT = Grant(dataset_id="a.b", number=1, to="you", allowed=True, decided_by="me", decided_at=NOW)
ACTIVITY = Activity(at=NOW, actor="me", action="claimed", subject="x#1", details={"n": 1})
LEDGER = LedgerIdentity(ledger_id="l", place="a file", made_at=NOW)
OWN_LAKE = OwnLake(lake_id="k", place="a folder", bound_at=NOW)
NOTICE = Notice(subject="x#1", channel="mail", batch_id="x", event=Event.PUBLISHED, run_id="x#1", noted_at=NOW)
NOTICE_TRY = NoticeTry(notice_id="x#1/mail", number=2, owner="me", claimed_at=NOW)
NOTICE_END = NoticeEnd(
    notice_id="x#1/mail", channel="mail", batch_id="x", event=Event.PUBLISHED, result=NoticeResult.SENT, tries=2, ended_at=NOW
)
LAKE = LakeIdentity(lake_id="k", ledger_id="l", ledger="a file", bound_at=NOW)

IDS = [
    (RECEIPT, f"x@{SHA[:16]}"),
    (RECEIPT.model_copy(update={"revision": 2}), f"x@{SHA[:16]}~2"),
    (RUN, "x#1"),
    (OUTCOME, "x#1"),
    (RESERVATION, "a.b@2"),
    (ASSET, "a.b@2"),
    (LINEAGE, "a.b@2"),
    (CURRENT, "a.b#3"),
    (GRANT, "a.b#1"),
    (LEDGER, "ledger"),
    (OWN_LAKE, "lake"),
    (NOTICE, "x#1/mail"),
    (NOTICE_TRY, "x#1/mail:2"),
    (NOTICE_END, "x#1/mail"),
]


@pytest.mark.parametrize(("document", "identity"), IDS)
def test_a_document_has_its_natural_id(document: Any, identity: str) -> None:
    assert document.id == identity


@pytest.mark.parametrize("document", [*(document for document, _ in IDS), ACTIVITY, LAKE])
def test_a_document_comes_back_from_plain_values(document: Document) -> None:
    plain = document.to_document()
    assert types_in(plain) <= {dict, list, str, int, float, bool, type(None), datetime}
    assert type(document).from_document(plain | {"_id": "whatever"}) == document


def test_an_asset_of_the_first_format_loads() -> None:
    now = ASSET.to_document()
    earlier = {key: value for key, value in (now | now.pop("summary")).items() if key not in {"kind", "format", "meanings"}}
    del earlier["files"][0]["role"]
    assert Asset.from_document(earlier) == ASSET.model_copy(update={"summary": SUMMARY.model_copy(update={"meanings": {}})})
    table = earlier | {"crs": None, "bbox": None, "geometry_types": []}
    assert Asset.from_document(table).summary == TableSummary(features=3, table_schema=SUMMARY.table_schema)


def test_documents_of_the_first_format_load_by_their_old_names() -> None:
    run = {key: value for key, value in RUN.to_document().items() if key not in {"manifest_version", "format"}}
    assert Run.from_document(run | {"upload": "u"}) == RUN
    receipt = {key: value for key, value in RECEIPT.to_document().items() if key not in {"revision", "format"}}
    assert Receipt.from_document(receipt | {"verdict": 3}) == RECEIPT.model_copy(update={"revision": 3})
    reservation = {key: value for key, value in RESERVATION.to_document().items() if key not in {"prefix", "names", "format"}}
    assert Reservation.from_document(reservation | {"key": "a.b/v2/data.parquet"}) == RESERVATION


def uri_of(key: str) -> str:
    return f"s3://lake/{key}"


def test_the_place_of_the_lake_is_in_no_record() -> None:
    """So that it may be moved or renamed. Earlier releases recorded it."""
    assert "s3://" not in str(ASSET.to_document())
    old = ASSET.to_document()
    (file,) = old["files"]
    file["uri"] = f"s3://a-bucket-of-old/{file.pop('key')}"
    assert type(ASSET).from_document(old) == ASSET


def test_what_a_later_release_wrote_is_kept_when_it_is_copied() -> None:
    later = OUTCOME.unsealed() | {"format": "2.7", "mood": "good"}
    later["assets"][0] |= {"format": "2.7", "licence": {"name": "CC0"}}
    later["assets"][0]["files"][0]["encryption"] = None
    later["assets"][0]["summary"] = {"kind": "points", "density": 2.5}
    outcome = Outcome.from_document(later)
    assert outcome.unsealed() == later
    assert outcome.assets[0].unsealed() == later["assets"][0]
    assert (outcome.assets[0].kind, outcome.assets[0].features, outcome.assets[0].table_schema) == ("points", None, ())
    assert Report.model_validate_json(Report.of_outcome(outcome, uri_of).model_dump_json()) == Report.of_outcome(outcome, uri_of)


@pytest.mark.parametrize("written", ["3.0", "17.2", "next"])
def test_a_document_that_cannot_be_read_says_what_to_install(written: str) -> None:
    with pytest.raises(NewerFormat, match=f"format {written}, which a later release of spatial-etl wrote.*Install that release"):
        Run.from_document(RUN.to_document() | {"format": written})


def types_in(value: Any) -> set[type]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*map(types_in, inner))


def test_moments_are_kept_as_every_store_keeps_them() -> None:
    east = datetime(2026, 1, 1, 12, microsecond=123_456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    kept = RUN.model_validate(RUN.model_dump() | {"started_at": east}).started_at
    assert kept == east.replace(microsecond=123_000)
    assert kept.tzinfo is UTC
    assert utc_now().microsecond % 1000 == 0
    with pytest.raises(ValidationError):
        RUN.model_validate(RUN.model_dump() | {"started_at": datetime(2026, 1, 1)})  # noqa: DTZ001 - naive on purpose


def test_a_document_is_not_changed() -> None:
    with pytest.raises(ValidationError):
        RUN.attempt = 2


def test_the_report_tells_an_outcome() -> None:
    report = Report.of_outcome(OUTCOME, uri_of)
    assert (report.batch_id, report.run_id, report.status, report.recipe) == ("x", "x#1", Status.SUCCESS, "default")
    assert report.warnings == (PROBLEM,)
    (dataset,) = report.datasets
    assert (dataset.dataset_id, dataset.version, dataset.features, [file.uri for file in dataset.files]) == (
        "a.b",
        2,
        3,
        ["s3://lake/a.b/v2/data.parquet"],
    )
    assert Report.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("content", "intent"), [({"intent": "clip"}, "clip"), ({"intent": 1}, None), ({}, None), ([], None), (None, None)]
)
def test_the_report_tells_a_rejection(content: Any, intent: str | None) -> None:
    report = Report.of_rejection(RECEIPT.model_copy(update={"content": content}))
    assert (report.status, report.run_id, report.intent, report.problems) == (Status.REJECTED, None, intent, (PROBLEM,))
