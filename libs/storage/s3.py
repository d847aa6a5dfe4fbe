"""An object store on MinIO, or any S3 that honours ``If-None-Match: *``.

Not obstore: its listing ends with an error at the first key with a control character, which every uploader can write; it
completes large uploads unconditionally and holds the whole content in memory to create an object; and it tells times to the
second only, so that two uploads of the same content look like one. botocore leaves each of these to us.
"""

import os
import secrets
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from libs.models import ServiceUnavailable
from libs.storage.s3_server import S3Server, code
from libs.storage.store import (
    CHUNK,
    OWN,
    Moved,
    ObjectChanged,
    ObjectInfo,
    ObjectMissing,
    ObjectRefused,
    Refused,
    apart,
    begins,
    check_key,
    pass_over,
    untold,
)

PROBES = ".probe/"
"""What the probe creates and removes again; no object of the bucket."""

PART = 16 * 1024 * 1024
"""Bytes of a part of a large upload, at least; what is not larger goes in one request."""

_MOST_PARTS = 10_000
_AT_ONCE = 4
"""Parts on their way at the same time: with their size, what an upload takes of memory."""

_STALE = timedelta(days=1)
"""After which nobody goes on with an upload."""

_RACERS = 8
_RESUMPTIONS = 5
"""Times that a broken download is taken up again without a byte of progress between."""

_MARK = "written-by"
"""Metadata of a created object that tells its creator: an answer that was lost on the way is asked for again, and then the
object that is in the way may be one's own."""

_FEW = 100
"""Prefixes in one folder that are looked for one by one. MinIO reads the whole folder for each."""

_OF_ONE_OBJECT = {"GetObject": "read", "HeadObject": "read", "DeleteObject": "removed"}
"""What may be denied for one object and allowed for all others; and in words."""
_DENIED = {"AccessDenied", "403", "AllAccessDisabled"}

_GONE = {"NoSuchKey", "404", "NoSuchUpload"}
_UNDECIDED = {"ConditionalRequestConflict"}
"""What AWS says to some of those who create an object in the same moment."""
_TAKEN = {"PreconditionFailed", "412"}
_IN_THE_WAY = {"XMinioObjectExistsAsDirectory", "XMinioParentIsObject", "XMinioInvalidObjectName", "XMinioInvalidResourceName",
               "KeyTooLongError", "XMinioObjectNameTooLong"}  # fmt: skip


class S3Store:
    """A bucket on a server.

    Args:
        server: Where it is; shared by the buckets of a process.
        bucket: Its name.
        setting: Which names it, for messages.
    """

    def __init__(self, server: S3Server, bucket: str, setting: str) -> None:
        self.bucket = bucket
        self._server, self._setting = server, setting
        self._met = False

    @property
    def place(self) -> str:
        """See :class:`~libs.storage.store.ObjectStore`."""
        return f"{self.uri('')} at {self._server.endpoint}"

    def uri(self, key: str) -> str:
        """See :class:`~libs.storage.store.ObjectStore`."""
        return f"s3://{self.bucket}/{key}"

    def check(self) -> None:
        """See :class:`~libs.storage.store.ObjectStore`. Eight try to create one object: more than one must not succeed."""
        with self._server.lock:
            if self._server.honest.is_set():
                return
            key = f"{PROBES}{secrets.token_hex(16)}"
            with self._speaking(key):
                client = self._client

                def race(_: int) -> bool:
                    try:
                        client.put_object(Bucket=self.bucket, Key=key, IfNoneMatch="*")
                    except ClientError as error:
                        if code(error) in _TAKEN | _UNDECIDED:
                            return False
                        raise
                    return True

                with ThreadPoolExecutor(_RACERS) as racers:
                    winners = sum(racers.map(race, range(_RACERS)))
                with suppress(ClientError):  # gc removes what somebody may not remove
                    client.delete_object(Bucket=self.bucket, Key=key)
            if winners > 1:
                raise ServiceUnavailable(
                    self._server.name,
                    f"{winners} of {_RACERS} writers created the same object: it ignores `If-None-Match: *`, without which "
                    "files in the lake could be overwritten. Use MinIO, or another S3 with conditional writes.",
                    "MINIO_ENDPOINT",
                )  # fmt: skip
            self._server.honest.set()

    def clock(self) -> datetime:
        """See :class:`~libs.storage.store.ObjectStore`. To the second: so the server dates its answers."""
        with self._speaking():
            answer = self._client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)

    def settled(self, info: ObjectInfo, seconds: float) -> bool:  # noqa: ARG002 - no time has to pass
        """See :class:`~libs.storage.store.ObjectStore`. An object appears when its upload is complete."""
        return True

    def list(self, prefix: str = "", refused: Refused = pass_over) -> Iterator[ObjectInfo]:
        """See :class:`~libs.storage.store.ObjectStore`. Keys that are not in normal form are no objects."""
        for page in self._pages(refused, Prefix=prefix):
            yield from self._infos(page, refused)

    def look(
        self, prefixes: Iterable[str], refused: Refused = pass_over, limit: int | None = None
    ) -> tuple[Sequence[ObjectInfo], Collection[str]]:
        """See :class:`~libs.storage.store.ObjectStore`. A few are looked for one by one; for many, their folder is listed."""
        found: list[ObjectInfo] = []
        folders: set[str] = set()
        for folder, wanted in apart(prefixes):
            whole = len(wanted) > _FEW
            for asked in [folder] if whole else wanted:
                for page in self._pages(refused, Prefix=asked, Delimiter="/"):
                    found += [info for info in self._infos(page, refused) if not whole or begins(info.key, wanted)]
                    below = (entry["Prefix"].removesuffix("/") for entry in page.get("CommonPrefixes", ()))
                    folders |= {key for key in below if not whole or begins(key, wanted)}
                    if limit is not None and len(found) >= limit:
                        return found[:limit], folders
        return found, folders

    def head(self, key: str) -> ObjectInfo | None:
        """See :class:`~libs.storage.store.ObjectStore`.

        By listing, where the account may: what HEAD answers tells the time to the second only.
        """
        with self._speaking(check_key(key)):
            try:
                page = self._client.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1)
            except ClientError as error:
                if code(error) not in _DENIED:
                    raise
                return self._asked(key, error)
        return next((info for info in self._infos(page, pass_over) if info.key == key), None)

    def read(self, key: str, limit: int | None = None) -> bytes:
        """See :class:`~libs.storage.store.ObjectStore`."""
        content = bytearray()
        for piece in self.stream(key):
            content += piece
            if limit is not None and len(content) >= limit:
                return bytes(content[:limit])
        return bytes(content)

    def stream(
        self, key: str, chunk: int = CHUNK, stamp: str | None = None, *, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        """See :class:`~libs.storage.store.ObjectStore`. Goes on where it was when the connection breaks."""
        position, failures = start, 0
        last = "" if end is None else end - 1
        check_key(key)
        while True:
            with self._speaking(key):
                same = {"IfMatch": stamp} if stamp else {}
                rest = {"Range": f"bytes={position}-{last}"} if position or end is not None else {}
                answer = self._client.get_object(Bucket=self.bucket, Key=key, **same, **rest)
                stamp = answer["ETag"]
                try:
                    while piece := answer["Body"].read(chunk):
                        position, failures = position + len(piece), 0
                        yield piece
                except BotoCoreError:
                    failures += 1
                    if failures > _RESUMPTIONS:
                        raise
                else:
                    return
                finally:
                    answer["Body"].close()

    def link_local(self, key: str, target: Path, stamp: str | None = None) -> bool:  # noqa: ARG002 - nothing can appear there
        """See :class:`~libs.storage.store.ObjectStore`. Never: what lies on a server has to be copied."""
        if stamp is None and self.head(key) is None:
            raise ObjectMissing(self.uri(key))
        return False

    def grew(self, info: ObjectInfo) -> bool:  # noqa: ARG002 - no object does
        """See :class:`~libs.storage.store.ObjectStore`. Never: uploads replace objects."""
        return False

    def put(self, key: str, source: bytes | Path, moved: Moved = untold) -> None:
        """See :class:`~libs.storage.store.ObjectStore`."""
        with self._speaking(check_key(key)):
            self._send(key, source, {}, {}, moved)

    def create(self, key: str, source: bytes | Path, *, give: bool = False, moved: Moved = untold) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`. The server decides, by ``If-None-Match: *``, whatever the size."""
        try:
            self.check()
        except ServiceUnavailable as error:
            # An account that may only deliver cannot try what the server does. Who writes to a lake has tried it before.
            if not (isinstance(error.__context__, ClientError) and code(error.__context__) in _DENIED):
                raise
        if isinstance(source, Path) and self._is_seen(key):
            return False  # saves the upload; the server decides
        with self._speaking(check_key(key)):
            created = self._create_once(key, source, moved)
        if created and give and isinstance(source, Path):
            source.unlink(missing_ok=True)
        return created

    def replace(self, key: str, source: Path, stamp: str, moved: Moved = untold) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`. The server decides, by ``If-Match``."""
        with self._speaking(check_key(key)):
            try:
                self._send(key, source, {}, {"IfMatch": stamp}, moved)
            except ClientError as error:
                if code(error) in _TAKEN | _UNDECIDED | _GONE:
                    return False
                raise
        return True

    def delete(self, key: str, version: str | None = None) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`.

        Between the look and the removal lies a moment in which an upload would be lost: S3 knows no removal of one of two
        uploads with the same content.
        """
        info = self.head(key)
        if info is None or (version is not None and info.version != version):
            return False
        with self._speaking(key):
            self._client.delete_object(Bucket=self.bucket, Key=key)
        return True

    def removable(self, key: str) -> bool:  # noqa: ARG002 - only the attempt would show it
        """See :class:`~libs.storage.store.ObjectStore`. S3 does not tell beforehand."""
        return True

    def sweep(self, abandoned: Collection[str] = (), *, look_only: bool = False) -> int:
        """See :class:`~libs.storage.store.ObjectStore`. What is younger than a day may still be going on."""
        removed = 0
        until = datetime.now(UTC) - _STALE
        with self._speaking():
            for key, upload, begun in self._uploads(abandoned):
                if begun < until or key in abandoned:
                    removed += look_only or self._abort(key, upload)
            for entry in self._client.list_objects_v2(Bucket=self.bucket, Prefix=PROBES).get("Contents", ()):
                if entry["LastModified"] < until:
                    if not look_only:
                        self._client.delete_object(Bucket=self.bucket, Key=entry["Key"])
                    removed += 1
        return removed

    @property
    def _client(self) -> Any:
        """The client, once it is known that the server is there and lets us in: that much is found out quickly."""
        if not self._met:
            try:
                self._server.newly_met.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
            except ClientError as error:
                if code(error) != "AccessDenied":  # somebody who may not ask that may still do what is to be done
                    raise
            self._met = True
            self._server.met.set()
        return self._server.patient

    def _pages(self, refused: Refused, **asked: str) -> Iterator[dict[str, Any]]:
        following: dict[str, str] = {}
        while True:
            with self._speaking():
                try:
                    page = self._client.list_objects_v2(Bucket=self.bucket, **asked, **following)
                except ClientError as error:
                    if code(error) not in _DENIED or refused is pass_over:
                        raise
                    folder = asked["Prefix"][: asked["Prefix"].rfind("/") + 1]
                    refused(ObjectRefused(self.uri(folder), "may not be listed by the account of the platform"))
                    return
            yield page
            if not page.get("IsTruncated"):
                return
            following = {"ContinuationToken": page["NextContinuationToken"]}

    def _infos(self, page: dict[str, Any], refused: Refused) -> Iterator[ObjectInfo]:
        for entry in page.get("Contents", ()):
            key = entry["Key"]
            if key.startswith(PROBES) or (key.endswith("/") and not entry["Size"]):  # as some programs make folders
                continue
            try:
                check_key(key)
            except ValueError:
                refused(ObjectRefused(self.uri(key), "has a name with an empty, '.' or '..' part"))
                continue
            yield _info(entry)

    def _asked(self, key: str, denied: ClientError) -> ObjectInfo | None:
        """What HEAD says of an object, for an account that may read it and not list the folder."""
        try:
            head = self._client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if code(error) in _GONE:
                return None
            raise denied from None
        return _info({"Key": key, "Size": head["ContentLength"], "LastModified": head["LastModified"], "ETag": head["ETag"]})

    def _is_seen(self, key: str) -> bool:
        """Whether an object is there, as far as the account may look."""
        try:
            return self.head(key) is not None
        except ServiceUnavailable as error:
            if isinstance(error.__context__, ClientError) and code(error.__context__) in _DENIED:
                return False
            raise

    def _create_once(self, key: str, source: bytes | Path, moved: Moved) -> bool:
        mark = secrets.token_hex(16)
        while True:
            try:
                self._send(key, source, {"Metadata": {_MARK: mark}}, {"IfNoneMatch": "*"}, moved)
            except ClientError as error:
                if code(error) in _UNDECIDED:
                    time.sleep(0.1)
                    continue
                if code(error) in _TAKEN or (_is_without_upload(error) and self.head(key) is not None):
                    return self._is_marked(key, mark)
                raise
            return True

    def _is_marked(self, key: str, mark: str) -> bool:
        try:
            head = self._client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if code(error) in _GONE | _DENIED:
                return False
            raise
        return bool(head["Metadata"].get(_MARK) == mark)

    def _send(
        self, key: str, source: bytes | Path, described: dict[str, Any], condition: dict[str, str], moved: Moved = untold
    ) -> None:
        """Upload in one request, or in parts that become an object with the last request."""
        if isinstance(source, bytes):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=source, **described, **condition)
            return
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= PART:
                content = file.read()
                self._client.put_object(Bucket=self.bucket, Key=key, Body=content, **described, **condition)
                moved(size)
            else:
                self._send_parts(key, file.fileno(), size, described, condition, moved)

    def _send_parts(
        self, key: str, file: int, size: int, described: dict[str, Any], condition: dict[str, str], moved: Moved
    ) -> None:
        client, address = self._client, {"Bucket": self.bucket, "Key": key}
        upload = client.create_multipart_upload(**address, **described)["UploadId"]
        length = max(PART, -(-size // _MOST_PARTS))
        stop = threading.Event()

        def send(number: int) -> dict[str, Any]:
            if stop.is_set():
                return {}
            try:
                content = os.pread(file, length, (number - 1) * length)
                sent = client.upload_part(**address, UploadId=upload, PartNumber=number, Body=content)
                moved(len(content))
            except BaseException:
                stop.set()
                raise
            return {"PartNumber": number, "ETag": sent["ETag"]}

        try:
            with ThreadPoolExecutor(_AT_ONCE) as senders:
                try:
                    parts = _results([senders.submit(send, number) for number in range(1, -(-size // length) + 1)])
                finally:
                    stop.set()
            client.complete_multipart_upload(**address, UploadId=upload, MultipartUpload={"Parts": parts}, **condition)
        except BaseException:
            with suppress(ClientError, BotoCoreError):  # what remains, gc finds
                self._abort(key, upload)
            raise

    def _abort(self, key: str, upload: str) -> bool:
        try:
            self._server.quick.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)
        except ClientError as error:
            if code(error) in _GONE:
                return False
            raise
        return True

    def _uploads(self, keys: Collection[str]) -> Iterator[tuple[str, str, datetime]]:
        """The unfinished uploads: key, id, beginning. MinIO may tell of those under a key only when it is named."""
        seen = set()
        for prefix in ("", *keys):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                for entry in page.get("Uploads", ()):
                    if entry["UploadId"] not in seen:
                        seen.add(entry["UploadId"])
                        yield entry["Key"], entry["UploadId"], entry["Initiated"]

    @contextmanager
    def _speaking(self, key: str = "") -> Iterator[None]:
        """Failures in words: what is wrong with the object, else with the server."""
        with self._server.speaking(self.bucket, self._setting):
            try:
                yield
            except ClientError as error:
                if code(error) == "NoSuchKey":
                    raise ObjectMissing(self.uri(key)) from None
                if code(error) in _TAKEN:
                    raise ObjectChanged(self.uri(key)) from None
                # Whoever may not have what is the platform's own has the wrong account, not an object too many.
                of_one_object = error.operation_name in _OF_ONE_OBJECT and not key.startswith(OWN)
                if key and code(error) in _DENIED and of_one_object:
                    done = _OF_ONE_OBJECT[error.operation_name]
                    raise ObjectRefused(self.uri(key), f"may not be {done} by the account of the platform") from None
                if code(error) in _IN_THE_WAY:
                    raise ObjectRefused(
                        self.uri(key), "cannot be written: its name, or an object in its way, does not allow it"
                    ) from None
                raise


def _results(sending: Sequence[Future[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What became of all parts. Of several failures, one that says why is raised."""
    wait(sending)
    if failures := [error for each in sending if (error := each.exception())]:
        raise min(failures, key=_is_without_upload)
    return [each.result() for each in sending]


def _is_without_upload(error: BaseException) -> bool:
    """Whether an upload had ended before: it is complete, but the answer was lost; or it failed elsewhere; or it was given up."""
    return isinstance(error, ClientError) and code(error) == "NoSuchUpload"


def _info(entry: dict[str, Any]) -> ObjectInfo:
    modified = entry["LastModified"].astimezone(UTC)
    return ObjectInfo(
        key=entry["Key"],
        size=entry["Size"],
        modified=modified,
        version=f"{entry['ETag']}-{modified.timestamp():.3f}",
        stamp=entry["ETag"],
        written=modified,
    )
