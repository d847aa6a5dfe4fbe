"""Who delivered hears of it, by real receivers: nothing is lost, nothing is told twice, and no batch waits."""

import base64
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from libs.ledger.kinds import KINDS
from libs.ledger.notices import PAUSES, Notices
from libs.models import NoticeResult, ServiceUnavailable, utc_now
from libs.models.settings import Settings
from libs.pipeline.intake import take_in
from libs.pipeline.maintenance import reconcile
from libs.pipeline.process import process
from libs.platform import open_channels, open_stack
from libs.platform.health import all_checks
from libs.platform.notifications import try_channels
from tests.integration.pipeline.receivers import Post, Web, serving

pytestmark = pytest.mark.integration

SECRET = "s3cret"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers on loopback are spoken to directly."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def web() -> Iterator[Web]:
    with serving(Web()) as server:
        yield server


@pytest.fixture
def post() -> Iterator[Post]:
    with serving(Post()) as server:
        yield server


@pytest.fixture
def hooked(open_platform: Callable[..., Any], web: Web) -> Any:
    """A platform with a webhook."""
    return open_platform(spatial_etl_notify_webhook=web.url)


def later(platform: Any, seconds: float) -> None:
    """Put the ledger's clock forward."""
    platform.stack.ledger.clock = lambda: utc_now() + timedelta(seconds=seconds)


def ends(platform: Any) -> list[tuple[str, str, int]]:
    return [(end.notice_id.split("!")[0], end.result, end.tries) for end in Notices(platform.stack.ledger).ends()]


def test_a_webhook_hears_of_each_outcome_once(
    web: Web, open_platform: Callable[..., Any], geojson: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    platform = open_platform(spatial_etl_notify_webhook=web.url, spatial_etl_notify_webhook_token="t0ken")
    entry = platform.entry(platform.put("in/a.geojson", geojson()))
    platform.submit("good", entry)
    platform.submit("bad", platform.entry("s3://landing-zone/in/none.geojson"))
    platform.stack.landing.store.put("manifests/broken.json", b"{}")
    platform.process()
    told = {got.headers["X-Spatial-Etl-Event"] + " " + json.loads(got.body)["batch_id"]: got for got in web.got}
    assert told.keys() == {"published good", "rejected bad", "rejected broken"}
    good = json.loads(told["published good"].body)
    assert (good["text"], good["uploader"], good["status"]) == ("good: published (1 dataset)", "someone", "success")
    assert [dataset["dataset_id"] for dataset in good["datasets"]] == ["a"]
    assert [problem["code"] for problem in json.loads(told["rejected bad"].body)["problems"]] == ["missing_file"]
    ids = {got.headers["Idempotency-Key"] for got in web.got}
    assert ids == {json.loads(got.body)["notice_id"] for got in web.got}
    assert len(ids) == 3
    assert {got.headers["Authorization"] for got in web.got} == {"Bearer t0ken"}
    # A manifest that comes again: the same outcome of the run is not told again, a rejection of another upload is.
    platform.submit("good", entry)
    platform.submit("bad", platform.entry("s3://landing-zone/in/none.geojson"))
    platform.process()
    reconcile(platform.stack)
    assert [json.loads(got.body)["batch_id"] for got in web.got[3:]] == ["bad"]
    assert SECRET not in caplog.text


def test_a_mail_goes_to_the_contact_and_says_what_to_do(post: Post, open_platform: Callable[..., Any]) -> None:
    platform = open_platform(
        spatial_etl_notify_smtp=post.url, spatial_etl_notify_from="etl@office.example",
        spatial_etl_notify_to="ops@office.example,nobody@office.example", spatial_etl_notify_domains="office.example",
    )  # fmt: skip
    missing = platform.entry("s3://landing-zone/in/none.geojson")
    platform.submit("one", missing, metadata={"contact": "anna@office.example"})
    platform.submit("two", missing, metadata={"contact": "anna@elsewhere.example\nBcc: all@elsewhere.example"})
    platform.submit("three", missing, uploader="ben@office.example")
    platform.process()
    mails = {}
    for to, text in post.mails:
        mail = message_from_string(text, policy=policy.default)
        mails[mail["Subject"]] = to
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["Message-ID"].endswith("@office.example>")
        assert "files[0].path [missing_file]" in mail.get_content()
    assert mails == {
        "Rejected: one": ["ops@office.example", "anna@office.example"],
        "Rejected: two": ["ops@office.example"],
        "Rejected: three": ["ops@office.example", "ben@office.example"],
    }
    remarks = {end.remark for end in Notices(platform.stack.ledger).ends()}
    assert next(iter(remarks)).endswith("did not accept nobody@office.example.")


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's certificate for 127.0.0.1, and the authority of our own that made it."""
    folder = tmp_path_factory.mktemp("certificates")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = f"req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -days 2 -subj /CN=mail"
    subprocess.run(["openssl", *made.split(), "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context, certificate


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_mail_goes_encrypted_to_a_server_that_demands_an_account(
    scheme: str, certified: Any, open_platform: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    tls, authority = certified
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with serving(Post(tls, at_once=scheme == "smtps", account=("etl@office", SECRET))) as post:

        def opened(password: str) -> Any:
            url = f"{scheme}://etl%40office:{password}@127.0.0.1:{post.port}"
            return open_platform(
                spatial_etl_notify_smtp=url, spatial_etl_notify_from="etl@office.example",
                spatial_etl_notify_to="ops@office.example",
            )  # fmt: skip

        wrong = opened("wr0ng-one")
        wrong.ingest("one", wrong.entry("s3://landing-zone/in/none.geojson"))
        assert post.mails == []
        (again,) = try_channels(wrong.stack.settings, send=False)
        assert (again.works, "535" in again.said, "not with AUTH PLAIN ********" in again.said) == (False, True, True)
        right = opened(SECRET)
        later(right, PAUSES[0])
        assert reconcile(right.stack).notices == 1
        assert [to for to, _ in post.mails] == [["ops@office.example"]]
        assert [each.works for each in try_channels(right.stack.settings, send=False)] == [True]
        assert not any(b"AUTH" in line or b"MAIL" in line for line in post.in_the_clear), "nothing but EHLO and STARTTLS"
    store = right.stack.ledger.store
    kept = json.dumps([[*store.find(name)] for name in KINDS], default=str)
    for secret in (SECRET, "wr0ng-one", base64.b64encode(b"\0etl@office\0wr0ng-one").decode()):
        assert secret not in kept + caplog.text + repr(right.stack.settings)


def test_a_mail_server_that_is_not_trusted_gets_nothing(certified: Any, tmp_path: Path) -> None:
    tls, _ = certified
    for post in (Post(tls, account=("etl", SECRET)), Post(tls, at_once=True, account=("etl", SECRET)), Post()):
        with serving(post):
            url = f"{'smtps' if post.at_once else 'smtp'}://etl:{SECRET}@127.0.0.1:{post.port}"
            settings = Settings(
                spatial_etl_home=tmp_path, _env_file=None, spatial_etl_notify_smtp=url,
                spatial_etl_notify_from="etl@office.example", spatial_etl_notify_to="ops@office.example",
            )  # fmt: skip
            (tried,) = try_channels(settings, send=True)
        why = "is not trusted (self-signed certificate)" if post.tls else "STARTTLS extension not supported"
        assert (tried.works, post.mails) == (False, [])
        assert why in tried.said
        assert not any(b"AUTH" in line or b"MAIL" in line for line in post.in_the_clear)


def test_a_command_gets_json_and_no_text_of_others_as_argument(
    open_platform: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIO_ROOT_PASSWORD", SECRET)
    program = tmp_path / "tell.py"
    program.write_text(
        "import json, os, sys\njson.dump([sys.argv[1:], json.load(sys.stdin), dict(os.environ)], open(sys.argv[1], 'w'))\n"
    )
    out = tmp_path / "told $(touch evil).json"
    platform = open_platform(spatial_etl_notify_command=f"{sys.executable} {program} '{out}'", spatial_etl_notify_on="rejected")
    platform.ingest("town", platform.entry("s3://landing-zone/in/none.geojson"), uploader="$(touch evil); rm -rf ~")
    arguments, told, environment = json.loads(out.read_text())
    assert arguments == [str(out)]
    assert (told["batch_id"], told["event"], told["uploader"]) == ("town", "rejected", "$(touch evil); rm -rf ~")
    assert environment["SPATIAL_ETL_NOTICE_ID"] == told["notice_id"]
    assert SECRET not in environment.values()


@pytest.mark.parametrize(
    ("command", "why"),
    [("/bin/sh -c 'echo no mail today >&2; exit 3'", "ended with 3: no mail today"), ("no-such-program", "cannot be run")],
)
def test_a_command_that_fails_is_tried_again_and_then_given_up(command: str, why: str, open_platform: Callable[..., Any]) -> None:
    platform = open_platform(spatial_etl_notify_command=command)
    platform.ingest("town", platform.entry("s3://landing-zone/in/none.geojson"))
    passed = 0.0
    for pause in PAUSES:
        platform.stack.__dict__.pop("sender")  # another process
        passed += pause + 1
        later(platform, passed)
        assert reconcile(platform.stack).notices == 0
    (end,) = Notices(platform.stack.ledger).ends("town")
    assert (end.result, end.tries) == (NoticeResult.GIVEN_UP, len(PAUSES) + 1)
    assert why in end.remark
    found = [check for check in all_checks(platform.stack.settings) if check.name == "Notices"]
    assert f"1 notice given up, the last: command of batch town: {end.remark}" in [check.found for check in found]


@pytest.mark.parametrize("status", [500, 302, 404])
def test_what_was_not_taken_is_sent_later_with_the_same_id(status: int, hooked: Any, web: Web) -> None:
    web.status = status
    hooked.ingest("town", hooked.entry("s3://landing-zone/in/none.geojson"))
    assert [got.path for got in web.got] == [f"/hook/{SECRET}"]
    web.status = 200
    assert reconcile(hooked.stack).notices == 0  # too early
    hooked.stack.__dict__.pop("sender")
    later(hooked, PAUSES[0])
    assert reconcile(hooked.stack).notices == 1
    first, second = web.got
    assert (first.body, first.headers["Idempotency-Key"]) == (second.body, second.headers["Idempotency-Key"])
    assert [(result, tries) for _, result, tries in ends(hooked)] == [("sent", 2)]


def test_a_receiver_that_hangs_holds_no_batch(open_platform: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.pipeline.sender.TIME_LIMIT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never says a word
        platform = open_platform(spatial_etl_notify_webhook=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        for number in range(100):
            platform.submit(f"b{number}", platform.entry("s3://landing-zone/in/none.geojson"))
        started = time.monotonic()
        reports = [(time.monotonic() - started, report) for report in process(platform.stack)]
        took = time.monotonic() - started
        assert len(reports) == 100
        # One try for all of them, beside the work; at the end it is waited for as long as one try takes.
        assert took - reports[-1][0] < 5
        assert len({*platform.stack.ledger.store.ids("notice_tries")}) == 1
        assert len(Notices(platform.stack.ledger).owed()) == 100


def test_a_message_that_is_refused_does_not_hold_the_others(hooked: Any, web: Web) -> None:
    web.status = 422
    for number in range(3):
        hooked.submit(f"b{number}", hooked.entry("s3://landing-zone/in/none.geojson"))
    hooked.process()
    assert {json.loads(got.body)["batch_id"] for got in web.got} == {"b0", "b1", "b2"}


def test_an_orchestrator_does_not_wait(hooked: Any, web: Web) -> None:
    hooked.submit("town", hooked.entry("s3://landing-zone/in/none.geojson"))
    take_in(hooked.stack, seconds=1)
    deadline = time.monotonic() + 20
    while not ends(hooked) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [(result, tries) for _, result, tries in ends(hooked)] == [("sent", 1)]
    assert len(web.got) == 1


KILLED = """
import os, signal, sys
from libs.models.settings import Settings
from libs.notify.http import Endpoint
from libs.pipeline.process import process
from libs.platform import open_stack

post = Endpoint.post

def die(self, body, headers):
    if sys.argv[1] == "after":
        post(self, body, headers)
    os.kill(os.getpid(), signal.SIGKILL)

Endpoint.post = die
with open_stack(Settings(_env_file=None)) as stack:
    list(process(stack))
"""


@pytest.mark.parametrize(("when", "tries"), [("before", 1), ("after", 2)])
def test_a_sender_that_dies_loses_nothing(when: str, tries: int, hooked: Any, web: Web) -> None:
    hooked.submit("town", hooked.entry("s3://landing-zone/in/none.geojson"))
    environment = os.environ | {"SPATIAL_ETL_HOME": str(hooked.home), "SPATIAL_ETL_NOTIFY_WEBHOOK": web.url}
    died = subprocess.run([sys.executable, "-c", KILLED, when], env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    assert hooked.lies_in("landing")[0].startswith("archive/town/")
    assert reconcile(hooked.stack).notices == 0  # another one may be at it
    later(hooked, PAUSES[0])
    hooked.stack.__dict__.pop("sender")
    assert reconcile(hooked.stack).notices == 1
    assert len(web.got) == tries
    assert len({(got.headers["Idempotency-Key"], got.body) for got in web.got}) == 1


def test_a_process_that_dies_before_it_archives_has_noted_nothing_twice(
    hooked: Any, web: Web, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked.submit("town", hooked.entry(hooked.put("in/a.geojson", geojson())))
    with monkeypatch.context() as patched:
        patched.setattr(type(hooked.stack.landing), "archive", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            hooked.process()
    hooked.process()
    assert [json.loads(got.body)["batch_id"] for got in web.got] == ["town"]


def test_doctor_says_whether_they_answer(hooked: Any, web: Web, open_platform: Callable[..., Any], tmp_path: Path) -> None:
    def notices(settings: Settings) -> list[tuple[str, str]]:
        return [(str(check.verdict), check.found) for check in all_checks(settings) if check.name == "Notices"]

    host = f"127.0.0.1:{web.server_port}"
    assert notices(hooked.stack.settings) == [("good", f"webhook: {host} answers")]
    web.shutdown()
    web.server_close()
    assert notices(hooked.stack.settings) == [("weak", f"webhook: {host} does not answer: Connection refused.")]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"webhook": f"ftp://h/{SECRET}"}, "SPATIAL_ETL_NOTIFY_WEBHOOK"),
        ({"webhook": f"https://me:{SECRET}@h/"}, "SPATIAL_ETL_NOTIFY_WEBHOOK_TOKEN"),
        ({"on": "publishd", "webhook": "http://h"}, "'publishd'"),
        ({"command": "a 'b"}, "SPATIAL_ETL_NOTIFY_COMMAND"),
        ({"smtp": f"smtp+plain://me:{SECRET}@h"}, "in the clear"),
        ({"smtp": f"smtp://me:{SECRET}%C3%A4@h"}, "ASCII characters only"),
        ({"smtp": "smtp://h"}, "SPATIAL_ETL_NOTIFY_FROM"),
        ({"smtp": "smtp://h", "from": "a@b.example"}, "SPATIAL_ETL_NOTIFY_TO"),
        ({"smtp": "smtp://h", "from": "a@b.example", "to": "a@b.example\nBcc: x@y.example"}, "SPATIAL_ETL_NOTIFY_TO"),
        ({"smtp": "mail.example", "from": "a@b.example"}, "SPATIAL_ETL_NOTIFY_SMTP"),
    ],
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_named_before_any_work(settings: dict[str, str], named: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {f"spatial_etl_notify_{name}": value for name, value in settings.items()}
    with (
        pytest.raises(ServiceUnavailable, match=named) as refused,
        open_stack(Settings(spatial_etl_home=tmp_path, _env_file=None, **given)),
    ):
        pass
    assert SECRET not in str(refused.value)


def test_without_a_channel_nothing_is_noted(platform: Any) -> None:
    platform.ingest("town", platform.entry("s3://landing-zone/in/none.geojson"))
    assert open_channels(platform.stack.settings) == ()
    assert Notices(platform.stack.ledger).owed() == []


def test_a_test_message_says_that_it_is_one(web: Web, post: Post, tmp_path: Path) -> None:
    settings = Settings(
        spatial_etl_home=tmp_path, _env_file=None, spatial_etl_notify_webhook=web.url, spatial_etl_notify_smtp=post.url,
        spatial_etl_notify_from="etl@office.example", spatial_etl_notify_to="no@office.example",
        spatial_etl_notify_command="/bin/true",
    )  # fmt: skip
    tried = {each.channel: each for each in try_channels(settings, send=True)}
    assert {name: each.works for name, each in tried.items()} == {"webhook": True, "mail": False, "command": True}
    assert "accepts none of no@office.example" in tried["mail"].said
    assert json.loads(web.got[0].body)["problems"][0]["code"] == "notification_test"
    assert [each.works for each in try_channels(settings, send=False)] == [True, True, True]
    assert (len(web.got), post.mails) == (1, [])


def test_a_ledger_on_a_server(web: Web, mongodb: Any, open_platform: Callable[..., Any]) -> None:
    uri, database = mongodb.environment["MONGO_CONNECTION_STRING"], f"test_{secrets.token_hex(6)}"
    try:
        platform = open_platform(
            mongo_connection_string=SecretStr(uri), mongo_database=database, spatial_etl_notify_webhook=web.url
        )
        web.status = 503
        platform.submit("one", platform.entry("s3://landing-zone/in/none.geojson"))
        platform.submit("two", platform.entry("s3://landing-zone/in/none.geojson"))
        platform.process()
        assert len(Notices(platform.stack.ledger).owed()) == 2
        web.status = 200
        platform.stack.__dict__.pop("sender")  # another process
        later(platform, PAUSES[0])
        assert reconcile(platform.stack).notices == 2
        assert sorted((end.batch_id, end.tries) for end in Notices(platform.stack.ledger).ends()) == [("one", 2), ("two", 1)]
        assert [*platform.stack.ledger.store.ids("notices"), *platform.stack.ledger.store.ids("notice_tries")] == []
    finally:
        with MongoClient[Any](uri) as client:
            client.drop_database(database)
