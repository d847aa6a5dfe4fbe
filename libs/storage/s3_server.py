"""The connection to MinIO or another S3, and what its failures mean for whoever set it up."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ParamValidationError,
    SSLError,
)
from botocore.session import Session
from botocore.utils import parse_timestamp
from pydantic import SecretStr

from libs.models import ServiceUnavailable

CONNECTIONS = 16
"""Kept open at once: the parts of an upload, and what else goes on beside it."""

_QUICK, _PATIENT = 4, 8
"""Attempts at a request: some seconds at the first contact, for whoever mistyped the address; then about a minute, since a
server that is started again in the middle of a batch should cost only time."""

_CREATING = threading.Lock()
"""A session makes one client at a time."""

_BUCKET = {"NoSuchBucket": "there is no bucket {bucket!r}: `spatial-etl admin init` makes it.",
           "InvalidBucketName": "{bucket!r} cannot be the name of a bucket."}  # fmt: skip

_REASONS = {
    "InvalidAccessKeyId": ("it knows no user {user!r}.", "MINIO_ROOT_USER"),
    "SignatureDoesNotMatch": ("the password of the user {user!r} is wrong.", "MINIO_ROOT_PASSWORD"),
    "RequestTimeTooSkewed": ("its clock and this machine's are too far apart.", "the clocks, or MINIO_ENDPOINT"),
    "AuthorizationHeaderMalformed": ("its region is another one: {message}", "MINIO_REGION"),
    "XMinioStorageFull": ("its disk is full: nothing can be written until there is space.", "the disk of MINIO_ENDPOINT"),
    "XMinioAdminBucketQuotaExceeded": ("the bucket {bucket!r} has reached its quota.", "the quota, or {setting}"),
    "NoSuchUpload": ("an upload was removed before it was complete.", "{setting}, and who else works in that bucket"),
    "SlowDownWrite": ("it does not accept writes now: {message}", "the server at MINIO_ENDPOINT"),
    "400": ("it does not understand us; it may speak TLS where we do not.", "MINIO_USE_SSL"),
}  # fmt: skip
"""What an S3 error code means, and the setting to change."""


@dataclass(frozen=True)
class S3Server:
    """A server and the key pair that this process uses.

    Nothing but these values decides how it is reached: no AWS profile, no variable of the environment, no proxy.

    Attributes:
        endpoint: ``host:port``.
        user: The access key.
        password: The secret key.
        tls: Whether it speaks TLS.
        ca_file: Certificate authority, where the system does not know it.
        region: Where the buckets are.
    """

    endpoint: str
    user: str
    password: SecretStr
    tls: bool
    ca_file: Path | None
    region: str

    @cached_property
    def quick(self) -> Any:
        """The client for the first contact, and for what is not worth waiting for."""
        return self._client(_QUICK, connect=2, read=10)

    @cached_property
    def patient(self) -> Any:
        """The client for everything else: goes on when the server has been away for a minute."""
        return self._client(_PATIENT, connect=5, read=60)

    @property
    def newly_met(self) -> Any:
        """The client to ask a bucket for the first time: once the server has answered at all, it is waited for."""
        return self.patient if self.met.is_set() else self.quick

    @cached_property
    def met(self) -> threading.Event:
        """Set once the server has answered."""
        return threading.Event()

    @cached_property
    def honest(self) -> threading.Event:
        """Set once the server has shown that it overwrites nothing where it was told not to."""
        return threading.Event()

    @cached_property
    def lock(self) -> threading.Lock:
        """Lets one thread ask while others wait for what it learns."""
        return threading.Lock()

    @property
    def name(self) -> str:
        """The server, for people."""
        return f"the object store at {self.endpoint}"

    @contextmanager
    def speaking(self, bucket: str, setting: str) -> Iterator[None]:
        """Failures in words.

        Args:
            bucket: That is spoken of.
            setting: That names the bucket.

        Raises:
            ServiceUnavailable: naming what to change.
        """
        try:
            yield
        except ClientError as error:
            raise self._refused(error, bucket, setting) from None  # the cause would show the request, signature included
        except ParamValidationError:
            raise ServiceUnavailable(self.name, _BUCKET["InvalidBucketName"].format(bucket=bucket), setting) from None
        except SSLError as error:
            raise ServiceUnavailable(
                self.name, f"no secure connection: {_inner(error)}.", "MINIO_CA_FILE and MINIO_USE_SSL"
            ) from None
        except (EndpointConnectionError, ConnectTimeoutError):
            raise ServiceUnavailable(self.name, "nobody answers there.", "MINIO_ENDPOINT, and that the server runs") from None
        except HTTPClientError as error:
            said = f"the connection broke, again and again: {_inner(error)}."
            raise ServiceUnavailable(self.name, said, "MINIO_ENDPOINT and MINIO_USE_SSL, and that the server runs") from None
        except ParseError:
            raise ServiceUnavailable(self.name, "what answers there speaks no S3.", "MINIO_ENDPOINT") from None
        except BotoCoreError as error:
            raise ServiceUnavailable(self.name, f"{error}.", "MINIO_ENDPOINT") from None

    def _refused(self, error: ClientError, bucket: str, setting: str) -> ServiceUnavailable:
        found = code(error)
        message = error.response.get("Error", {}).get("Message", "")
        if found in _BUCKET:
            return ServiceUnavailable(self.name, _BUCKET[found].format(bucket=bucket), setting)
        if found in {"AccessDenied", "403", "AllAccessDisabled", "MethodNotAllowed"}:
            said = f"the user {self.user!r} may not do this in the bucket {bucket!r} ({error.operation_name})."
            return ServiceUnavailable(self.name, said, "MINIO_ROOT_USER and the policy of that user")
        known = _REASONS.get(found)
        if known is None:
            return ServiceUnavailable(
                self.name, f"{error.operation_name} failed: {message or found} ({found}).", "MINIO_ENDPOINT"
            )
        said, where = (part.format(user=self.user, bucket=bucket, setting=setting, message=message) for part in known)
        return ServiceUnavailable(self.name, said, where)

    def _client(self, attempts: int, *, connect: float, read: float) -> Any:
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ServiceUnavailable(self.name, f"there is no certificate authority in {self.ca_file}.", "MINIO_CA_FILE")
        config = Config(
            connect_timeout=connect,
            read_timeout=read,
            # Not "standard": all threads of a process would share a budget there, which the parts of one upload use up at once.
            retries={"mode": "legacy", "total_max_attempts": attempts},
            max_pool_connections=CONNECTIONS,
            proxies={},
            signature_version="s3v4",
            s3={"addressing_style": "path"},  # a bucket in the host name would need a DNS entry for each
            request_checksum_calculation="when_required",  # content is part of the signature already
            response_checksum_validation="when_required",
        )
        if "/" in self.endpoint:
            said = f"{self.endpoint!r} is not of the form host:port; whether it speaks TLS, MINIO_USE_SSL says."
            raise ServiceUnavailable("the object store", said, "MINIO_ENDPOINT")
        try:
            with _CREATING:
                return _session().create_client(
                    "s3",
                    region_name=self.region,
                    endpoint_url=f"{'https' if self.tls else 'http'}://{self.endpoint}",
                    aws_access_key_id=self.user,
                    aws_secret_access_key=self.password.get_secret_value(),
                    verify=str(self.ca_file) if self.ca_file else True,
                    config=config,
                )
        except (ValueError, BotoCoreError):
            said = f"{self.endpoint!r} is not of the form host:port."
            raise ServiceUnavailable("the object store", said, "MINIO_ENDPOINT") from None


def code(error: ClientError) -> str:
    """The error code of S3; the HTTP status where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


@cache
def _session() -> Session:
    """A session that looks at no file or variable meant for other programs. One for all: it reads a megabyte of descriptions."""
    nowhere = (None, None, os.devnull, None)
    session = Session(session_vars={"profile": (None, None, None, None), "config_file": nowhere, "credentials_file": nowhere})
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return session


def _moment(text: str) -> datetime:
    """A time as S3 writes it. botocore tries every format there is, which takes three quarters of the time of a listing."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        moment: datetime = parse_timestamp(text)
        return moment


def _inner(error: HTTPClientError) -> str:
    """What the transport said, without the URL around it."""
    cause: Any = error.kwargs.get("error") or error.__cause__ or error
    while getattr(cause, "reason", None) and isinstance(cause.reason, BaseException):
        cause = cause.reason
    return str(cause).partition(" (_ssl.c")[0].strip("()'\" .") or type(cause).__name__
