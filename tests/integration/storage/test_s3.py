"""What is special about S3: a server that may be away, may refuse us, or may not keep its promises."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from libs.models import ServiceUnavailable
from libs.storage import ObjectMissing
from libs.storage.s3 import PART
from libs.storage.store import untold
from services.local import throwaway_services
from tests.buckets import Buckets
from tests.disks import small_disk
from tests.services import start

pytestmark = pytest.mark.integration

LARGE = 3 * PART + 12345


class Forgetful(BaseHTTPRequestHandler):
    """Speaks enough S3 to be written to, and knows nothing of conditions."""

    protocol_version = "HTTP/1.1"
    listing = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer(200, self.listing)

    def do_PUT(self) -> None:
        self._answer(200)

    def do_DELETE(self) -> None:
        self._answer(204)

    def log_message(self, *_: object) -> None:
        """Keep the output clean."""


@pytest.fixture
def forgetful() -> Iterator[Buckets]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Buckets({
            "MINIO_ENDPOINT": f"127.0.0.1:{server.server_port}", "MINIO_ROOT_USER": "u", "MINIO_ROOT_PASSWORD": "p" * 12,
            "MINIO_USE_SSL": "false",
        })  # fmt: skip
        server.shutdown()


def test_a_server_that_ignores_conditions_is_refused_before_anything_is_created(forgetful: Buckets) -> None:
    store = forgetful.store("lake")
    with pytest.raises(ServiceUnavailable, match=r"8 of 8 writers created the same object.*If-None-Match.*MINIO_ENDPOINT"):
        store.create("a", b"1")
    store.put("a", b"1")  # what overwrites anyhow needs no promise


def test_the_probe_is_made_once_and_leaves_nothing(buckets: Buckets) -> None:
    store = buckets.store(buckets.new(), minio_region="us-east-1")
    store.check()
    assert list(store.list()) == []
    assert "Contents" not in buckets.client.list_objects_v2(Bucket=store.bucket)
    assert store._server.honest.is_set()


def test_a_large_file_is_created_once_replaced_whole_and_leaves_no_parts(buckets: Buckets, tmp_path: Path) -> None:
    store = buckets.store(buckets.new())
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(os.urandom(1024) * (LARGE // 1024))
    second.write_bytes(os.urandom(LARGE))
    assert store.create("v1/data", first, give=True)
    assert not store.create("v1/data", second, give=True)
    assert store.head("v1/data").size == LARGE // 1024 * 1024
    store.put("v1/data", second)
    assert b"".join(store.stream("v1/data")) == second.read_bytes()
    assert list(store._uploads(())) == []


def test_a_completion_that_comes_too_late_is_refused_by_the_server(buckets: Buckets, tmp_path: Path) -> None:
    """The look before the upload is a courtesy: what lies there since then is not overwritten either."""
    store = buckets.store(buckets.new())
    source = tmp_path / "large"
    source.write_bytes(bytes(LARGE))
    store.put("v1/data", b"there since")
    assert not store._create_once("v1/data", source, untold)
    assert store.read("v1/data") == b"there since"
    assert list(store._uploads(())) == []


def test_an_object_that_is_in_the_way_and_our_own_was_created_by_us(buckets: Buckets) -> None:
    """So it is when the answer to a first request was lost and the second one is refused."""
    store = buckets.store(buckets.new())
    store._client.put_object(Bucket=store.bucket, Key="a", Body=b"1", Metadata={"written-by": "me"})
    assert store._is_marked("a", "me")
    assert not store._is_marked("a", "another")
    assert not store._is_marked("missing", "me")


def test_uploads_of_the_dead_are_swept_and_those_of_the_living_left(buckets: Buckets) -> None:
    store = buckets.store(buckets.new())
    for key in ("dead/v1/data", "living/v1/data"):
        store._client.create_multipart_upload(Bucket=store.bucket, Key=key)
    assert store.sweep() == 0
    assert store.sweep({"dead/v1/data", "dead/v2/data"}) == 1
    assert [key for key, _, begun in store._uploads(["living/v1/data"]) if begun < datetime.now(UTC) + timedelta(minutes=1)] == [
        "living/v1/data"
    ]


def test_names_that_others_write_hide_nothing_else(buckets: Buckets) -> None:
    store = buckets.store(buckets.new())
    for key in ("manifests/", "manifests/tab\there.json", "manifests/ctrl\x01.json", "manifests/good.json"):
        store._client.put_object(Bucket=store.bucket, Key=key, Body=b"{}")
    keys = [info.key for info in store.list("manifests/")]
    assert keys == ["manifests/ctrl\x01.json", "manifests/good.json", "manifests/tab\there.json"]
    for key in keys:
        assert store.read(key) == b"{}"


def test_more_objects_than_a_page_are_all_listed(buckets: Buckets) -> None:
    store = buckets.store(buckets.new())
    for n in range(1005):
        store._client.put_object(Bucket=store.bucket, Key=f"x/{n:04}")
    assert [info.key for info in store.list()] == [f"x/{n:04}" for n in range(1005)]


@pytest.mark.parametrize(
    ("changed", "setting", "said"),
    [
        ({"minio_root_password": "a wrong one"}, "MINIO_ROOT_PASSWORD", "password"),
        ({"minio_root_user": "nobody"}, "MINIO_ROOT_USER", "knows no user 'nobody'"),
        ({"minio_root_user": None}, "MINIO_ROOT_USER", "not set"),
        ({"minio_root_password": None}, "MINIO_ROOT_PASSWORD", "not set"),
        ({"minio_lake_bucket": "not-made"}, "MINIO_LAKE_BUCKET", "no bucket 'not-made'"),
        ({"minio_lake_bucket": "ab"}, "MINIO_LAKE_BUCKET", "cannot be the name of a bucket"),
        ({"minio_endpoint": "127.0.0.1:1"}, "MINIO_ENDPOINT", "nobody answers"),
        ({"minio_endpoint": "no-such-host.invalid:9000"}, "MINIO_ENDPOINT", "nobody answers"),
        ({"minio_endpoint": "http://127.0.0.1:9000"}, "MINIO_ENDPOINT", "host:port"),
        ({"minio_use_ssl": True}, "MINIO_USE_SSL", "secure connection"),
        ({"minio_use_ssl": True, "minio_ca_file": Path("missing.pem")}, "MINIO_CA_FILE", "missing.pem"),
    ],
)
def test_what_is_wrong_is_said_soon_with_the_setting_and_without_the_secret(
    buckets: Buckets, changed: dict[str, object], setting: str, said: str
) -> None:
    began = time.monotonic()
    given = {"minio_lake_bucket": "some-bucket", **changed}
    with pytest.raises(ServiceUnavailable) as failure:
        list(buckets.store(given.pop("minio_lake_bucket"), **given).list())
    assert time.monotonic() - began < 15
    assert setting in failure.value.setting
    assert said in str(failure.value)
    assert buckets.environment["MINIO_ROOT_PASSWORD"] not in str(failure.value)
    assert "a wrong one" not in str(failure.value)


def test_an_upload_that_somebody_removes_creates_nothing_and_says_so(
    buckets: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be told that the key was taken would be wrong: nothing lies there."""
    store = buckets.store(buckets.new())
    (tmp_path / "large").write_bytes(os.urandom(LARGE))
    read = os.pread

    def removed(*arguments: int) -> bytes:
        for key, upload, _ in store._uploads(["v1/large"]):
            store._abort(key, upload)
        return read(*arguments)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "pread", removed)
        with pytest.raises(ServiceUnavailable, match="an upload was removed before it was complete"):
            store.create("v1/large", tmp_path / "large")
    assert store.head("v1/large") is None
    assert store.create("v1/large", tmp_path / "large")


def test_a_server_that_goes_away_and_comes_back_costs_only_time(tmp_path: Path) -> None:
    with throwaway_services() as services:
        start(services.minio)
        buckets = Buckets(services.minio.environment)
        store = buckets.store(buckets.new())
        content = os.urandom(LARGE)
        (tmp_path / "large").write_bytes(content)
        store.put("large", tmp_path / "large")
        pieces = store.stream("large", 65_536)
        received = next(pieces)
        services.minio.kill()
        threading.Timer(2, services.minio.start).start()
        assert store.create("v1/small", b"1")
        received += b"".join(pieces)
        assert received == content
        services.minio.kill()
        threading.Timer(2, services.minio.start).start()
        assert store.create("v1/large", tmp_path / "large")
        assert b"".join(store.stream("v1/large")) == content
        with pytest.raises(ObjectMissing):
            store.read("v2/large")


@pytest.fixture
def cramped() -> Iterator[Buckets]:
    """A MinIO on a disk of 64 MiB."""
    with throwaway_services() as services, small_disk(services.minio.folder / "data", 64):
        start(services.minio)
        yield Buckets(services.minio.environment)
        services.minio.kill()


def test_a_full_disk_is_said_and_leaves_nothing_half_done(cramped: Buckets, tmp_path: Path) -> None:
    store = cramped.store(cramped.new())
    large = tmp_path / "large"
    large.write_bytes(os.urandom(5 * PART))
    for write in (store.put, store.create):
        with pytest.raises(ServiceUnavailable, match=r"its disk is full.*the disk of MINIO_ENDPOINT"):
            write("v1/data", large)
    assert list(store.list()) == []
    assert list(store._uploads(["v1/data"])) == []


@pytest.fixture
def certified(tmp_path: Path) -> Iterator[Buckets]:
    """A MinIO that speaks TLS with a certificate of an authority of our own."""
    authority, authority_key, request = tmp_path / "ca.pem", tmp_path / "ca.key", tmp_path / "request.pem"
    with throwaway_services() as services:
        folder = services.minio.folder / "certs"
        folder.mkdir(parents=True, mode=0o700)
        extensions = tmp_path / "extensions"
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        made = f"req -newkey rsa:2048 -nodes -keyout {folder}/private.key -out {request} -subj /CN=minio"
        signed = (
            f"x509 -req -in {request} -CA {authority} -CAkey {authority_key} -CAcreateserial -out {folder}/public.crt -days 2"
        )
        own = f"req -x509 -newkey rsa:2048 -nodes -keyout {authority_key} -out {authority} -days 2 -subj /CN=authority"
        own += " -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
        for command in (own, made, f"{signed} -extfile {extensions}"):
            subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
        start(services.minio)
        yield Buckets(services.minio.environment | {"MINIO_CA_FILE": str(authority)})


def test_tls_with_an_authority_of_ones_own(certified: Buckets, tmp_path: Path) -> None:
    store = certified.store(certified.new())
    (tmp_path / "large").write_bytes(os.urandom(LARGE))
    assert store.create("large", tmp_path / "large")
    assert b"".join(store.stream("large")) == (tmp_path / "large").read_bytes()
    for changed in ({"minio_ca_file": None}, {"minio_use_ssl": False}):
        with pytest.raises(ServiceUnavailable) as failure:
            list(certified.store(store.bucket, **changed).list())
        assert "MINIO_USE_SSL" in failure.value.setting
