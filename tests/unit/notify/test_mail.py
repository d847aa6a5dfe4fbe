"""What a mail says, and what cannot get into one."""

from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from libs.models import Changes, DatasetReport, Event, Problem, Report, Status, utc_now
from libs.notify import Message, Notification
from libs.notify.mail import Mail, MailServer, is_address
from libs.notify.templates import file_of, render, wrong

PROBLEM = Problem(code="missing_file", where="files[0].path", message="There is none.", remedy="Upload it.")
DATASET = DatasetReport(
    dataset_id="a.roads", version=2, features=1234, crs=None, bbox=None, geometry_types=(), changes=Changes(), files=()
)


def message(event: Event = Event.REJECTED, contact: str | None = None, **fields: Any) -> Message:
    report = Report(batch_id="town", run_id=None, status=Status.REJECTED, intent="ingest", recipe=None)
    told: dict[str, Any] = report.model_dump() | {"problems": (PROBLEM,)} | fields
    return Message(
        Notification(**told, notice_id="1-2", event=event, text=f"town: {event}", decided_at=utc_now()), contact=contact
    )


def mail(
    contact: str | None = None, to: tuple[str, ...] = ("ops@office.example",), **fields: Any
) -> tuple[EmailMessage, list[str]]:
    channel = Mail(MailServer("h", 25, "none"), "etl@office.example", to, frozenset({"office.example"}), frozenset(), None)
    told = message(contact=contact, **fields)
    addresses = channel._addresses(told)
    return channel._mail(told, addresses)[0], addresses


@pytest.mark.parametrize("event", Event)
def test_the_default_templates_say_what_is_there(event: Event) -> None:
    subject, body, said = render(None, message(event, uploader="anna", datasets=(DATASET,), warnings=(PROBLEM,)))
    assert (subject, said) == (f"{event.capitalize()}: town", "")
    assert "Uploader:  anna" in body
    assert "spatial-etl status town" in body
    assert ("- a.roads@2, 1,234 features" in body) == (event is Event.PUBLISHED)
    assert "files[0].path [missing_file]\n  There is none.\n  -> Upload it." in body


def test_hostile_names_are_inert() -> None:
    evil = "x\r\nBcc: all@office.example\n\n\u202etxt.exe$batch_id\x1b[2J"
    problem = PROBLEM.model_copy(update={"message": evil})
    written, _ = mail(uploader=evil, intent=evil, problems=(problem,))
    assert written.keys() == [
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Spatial-ETL-Event",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    ]  # fmt: skip
    body = written.get_content()
    assert not {"\r", "\u202e", "\x1b"} & set(body)
    assert not any(line.startswith("Bcc") for line in body.splitlines())
    assert "$batch_id" in body  # what stands for a name is not looked at again


@pytest.mark.parametrize(
    ("contact", "written_to"),
    [
        ("anna@office.example", True),
        ("anna@OFFICE.example", True),
        ("anna@elsewhere.example", False),
        ("anna@office.example, all@elsewhere.example", False),
        ("anna@office.example\nBcc: all@elsewhere.example", False),
        ("Anna <anna@office.example>", False),
        ("anna", False),
        (None, False),
    ],
)
def test_a_contact_is_written_to_where_its_domain_is_allowed(contact: str | None, written_to: bool) -> None:
    _, addresses = mail(contact)
    assert addresses == ["ops@office.example", *([contact] if written_to else [])]


def test_templates_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / file_of(Event.REJECTED)
    own.write_text("Abgelehnt: $batch_id\n\nEs kostet $$0.\n$problems")
    subject, body, said = render(tmp_path, message())
    assert (subject, said) == ("Abgelehnt: town", "")
    assert body.startswith("Es kostet $0.\n- files[0]")
    assert render(tmp_path, message(Event.FAILED))[0] == "Failed: town"
    assert wrong(tmp_path) == []


@pytest.mark.parametrize(("text", "why"), [("$nobody", "uses $nobody"), ("5 $", "begins no name"), (b"\xff", "cannot be read")])
def test_a_template_that_is_wrong_is_named_and_not_used(text: str | bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "rejected.txt").write_bytes(text.encode() if isinstance(text, str) else text)
    subject, _, said = render(tmp_path, message())
    assert subject == "Rejected: town"
    assert why in said
    assert wrong(tmp_path) == [said]


def test_a_folder_of_templates_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "There is no folder" in wrong(tmp_path / "none")[0]


def test_only_plain_addresses_are_addresses() -> None:
    assert is_address("first.last+etl@office.example")
    assert not any(map(is_address, ("a@b\n", '"a b"@c', "a@", "@b", "a@-b", "a@b c")))
