"""Preparing MinIO, or another S3: the two buckets; on MinIO also the policies of those who use them, and accounts."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from botocore.exceptions import ClientError
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from libs.models import ServiceUnavailable
from libs.models.settings import Settings
from libs.platform import s3_server
from libs.storage.s3_server import S3Server, code
from services.administration import Accounts, SetupStep, new_password, reaching_buckets

ROLES = ("uploader", "pipeline", "gc")
"""Each has its policy in ``policies/``."""

_PREFIX = "spatial-etl-"
"""Begins the names of our policies and accounts: a server may serve others, too."""

_MISSING = {"XMinioAdminNoSuchPolicy", "XMinioAdminNoSuchUser", "NoSuchEntity"}


def prepare(settings: Settings, accounts: Accounts | None) -> Iterator[SetupStep]:
    """Make what is missing on the server that the settings name.

    Args:
        settings: With the credentials of an administrator.
        accounts: Where the credentials of accounts are kept; none are made without.

    Raises:
        ServiceUnavailable: when the server cannot be reached, or these credentials may not do it.
    """
    server = s3_server(settings)
    for place in (settings.landing, settings.lake):
        if place.folder is None:
            yield _bucket(server, place.bucket, place.setting)
    admin = _Administration(server)
    if not admin.offered:
        what = "policies and accounts"
        yield SetupStep("MinIO", what, "not made: this S3 has no such API; services/minio/policies/ says what each role needs")
        return
    for role in ROLES:
        yield _policy(admin, role, settings)
    if accounts is not None:
        for role in ROLES:
            yield _account(admin, role, settings, accounts)


def _bucket(server: S3Server, bucket: str, setting: str) -> SetupStep:
    with server.speaking(bucket, setting):
        try:
            server.quick.list_objects_v2(Bucket=bucket, MaxKeys=1)
        except ClientError as error:
            if code(error) != "NoSuchBucket":
                raise
            server.quick.create_bucket(Bucket=bucket)
            return SetupStep("MinIO", f"bucket {bucket}", "created")
    return SetupStep("MinIO", f"bucket {bucket}", "already there")


def _policy(admin: "_Administration", role: str, settings: Settings) -> SetupStep:
    wanted = policy(role, settings)
    there = admin.ask("policy_info", _PREFIX + role)
    if there is not None and _alike(json.loads(there)) == _alike(wanted):
        return SetupStep("MinIO", f"policy {_PREFIX}{role}", "already there")
    admin.ask("policy_add", _PREFIX + role, policy=wanted)
    return SetupStep("MinIO", f"policy {_PREFIX}{role}", "created" if there is None else "updated")


def _alike(value: Any) -> Any:
    """The same for policies that say the same: lists are sets there, and MinIO orders them anew."""
    if isinstance(value, dict):
        return {key: _alike(item) for key, item in value.items()}
    return sorted((_alike(item) for item in value), key=json.dumps) if isinstance(value, list) else value


def policy(role: str, settings: Settings) -> dict[str, Any]:
    """What a role may do, with the names that the buckets have."""
    content = files("services.minio").joinpath(f"policies/{role}.json").read_text(encoding="utf-8")
    for default, bucket in (("landing-zone", settings.landing.bucket), ("data-lake", settings.lake.bucket)):
        content = content.replace(f"arn:aws:s3:::{default}", f"arn:aws:s3:::{bucket}")
    parsed: dict[str, Any] = json.loads(content)
    return parsed


def _account(admin: "_Administration", role: str, settings: Settings, accounts: Accounts) -> SetupStep:
    name = _PREFIX + role
    there = admin.ask("user_info", name)
    password = accounts.settings(role).get("MINIO_ROOT_PASSWORD") or new_password()
    own = reaching_buckets(settings) | {"MINIO_ROOT_USER": name, "MINIO_ROOT_PASSWORD": password}
    accounts.add(role, own)  # before the server knows it: a password that was never written down is lost
    admin.ask("user_add", name, password)
    admin.ask("policy_set", name, user=name)
    done = "created" if there is None else "already there"
    return SetupStep("MinIO", f"account {name}", f"{done}; its settings are in {accounts.path(role)}")


class _Administration:
    """MinIO's own API beside S3, for policies and users."""

    def __init__(self, server: S3Server) -> None:
        self._server = server
        trusted = str(server.ca_file) if server.ca_file else None
        self._admin = MinioAdmin(
            endpoint=server.endpoint,
            credentials=StaticProvider(server.user, server.password.get_secret_value()),
            region=server.region,
            secure=server.tls,
            http_client=PoolManager(timeout=Timeout(connect=3, read=10), retries=Retry(2, backoff_factor=0.5), ca_certs=trusted),
        )

    @property
    def offered(self) -> bool:
        """Whether the server has this API at all."""
        try:
            self._admin.policy_list()
        except MinioAdminException as error:
            if _code(error) in {"AccessDenied", "403"}:
                raise self._refused("list the policies") from None
            return False
        except HTTPError:
            return False
        return True

    def ask(self, operation: str, *arguments: Any, **options: Any) -> str | None:
        """The answer; None when what is asked about does not exist."""
        try:
            answer: str = getattr(self._admin, operation)(*arguments, **options)
        except MinioAdminException as error:
            found = _code(error)
            if found in _MISSING:
                return None
            raise self._refused(f"do {operation} ({found})") from None
        except HTTPError as error:
            raise ServiceUnavailable(self._server.name, f"{type(error).__name__}.", "MINIO_ENDPOINT") from None
        return answer

    def _refused(self, what: str) -> ServiceUnavailable:
        said = f"the user {self._server.user!r} may not {what}: this takes an administrator."
        return ServiceUnavailable(self._server.name, said, "MINIO_ROOT_USER")


def _code(error: MinioAdminException) -> str:
    """The error code in the answer; the HTTP status where there is none."""
    status, _, body = str(error).removeprefix("admin request failed; Status: ").partition(", Body: ")  # it offers no other way
    try:
        return str(json.loads(body)["Code"])
    except (ValueError, KeyError, TypeError):
        return status
