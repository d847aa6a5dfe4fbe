"""A lake file over HTTP: whole or in ranges (RFC 9110, section 14), so that readers fetch only what they need."""

import re
import secrets
from collections.abc import Iterator
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from libs.models import Asset, LakeFile
from libs.storage import DataLake, ObjectStore

_TYPES = {"parquet": "application/vnd.apache.parquet", "tif": "image/tiff; application=geotiff; profile=cloud-optimized"}
MOST = 64
"""Ranges of one request. More are refused: nobody reads a file so."""
_RANGES = re.compile(r"bytes=\s*((?:\d*-\d*)(?:\s*,\s*\d*-\d*)*)\s*", re.ASCII | re.IGNORECASE)
_DIGITS = 18
_IMMUTABLE = "public, max-age=31536000, immutable"


class Unsatisfiable(Exception):  # noqa: N818 - the standard's word
    """No byte of the file is in the ranges that were asked for, or they are too many."""


def parse(header: str | None, size: int) -> list[tuple[int, int]] | None:
    """The ranges of a ``Range`` header that lie in the file: first byte and the byte after the last.

    None where the whole file is to be sent: there is no header, or one that is not understood. The RFC has a server pass it over.

    Raises:
        Unsatisfiable: when nothing of the file is asked for, or too many ranges are.
    """
    found = _RANGES.fullmatch(header or "")
    if found is None:
        return None
    ranges = []
    specs = found[1].split(",")
    if len(specs) > MOST:
        raise Unsatisfiable
    for spec in specs:
        first, _, last = spec.strip().partition("-")
        if not first and not last:
            return None
        if max(len(first), len(last)) > _DIGITS:
            first, last = first[:_DIGITS], last[:_DIGITS]
        if first and last and int(last) < int(first):
            return None
        start = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
        if start < end:
            ranges.append((start, end))
    if not ranges or sum(end - start for start, end in ranges) > 2 * size:
        raise Unsatisfiable
    return ranges


def media_type(name: str) -> str:
    """The media type of a lake file, by its name."""
    return _TYPES.get(name.rpartition(".")[2], "application/octet-stream")


def respond(request: Request, lake: DataLake, asset: Asset, file: LakeFile) -> Response:
    """A file of a version, or what is asked for of it. Its hash is its ETag: it never changes.

    Raises:
        ObjectMissing, ObjectRefused: when it cannot be read.
    """
    info = lake.store.head(file.key)
    if info is None or info.size != file.bytes:
        return PlainTextResponse(
            f"{file.key} is not as the ledger recorded it. `spatial-etl verify {asset.id}` says what is wrong.\n", 409
        )
    tag, kind = f'"{file.sha256}"', media_type(file.name)
    headers = {
        "ETag": tag,
        "Cache-Control": _IMMUTABLE,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(f'{asset.dataset_id}-v{asset.version}-{file.name}')}",
    }
    asked = [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]
    if tag in asked or "*" in asked:
        return Response(status_code=304, headers=headers)
    header = request.headers.get("Range")
    if request.headers.get("If-Range", tag) != tag:
        header = None
    try:
        ranges = parse(header, file.bytes)
    except Unsatisfiable:
        return PlainTextResponse(
            f"The file has {file.bytes} bytes. Ask for at most {MOST} ranges in it.\n",
            416,
            headers | {"Content-Range": f"bytes */{file.bytes}"},
        )
    if ranges is None:
        return _streamed(request, lake.store, file, [(b"", (0, file.bytes))], b"", 200, headers | {"Content-Type": kind})
    if len(ranges) == 1:
        ((start, end),) = ranges
        one = {"Content-Type": kind, "Content-Range": f"bytes {start}-{end - 1}/{file.bytes}"}
        return _streamed(request, lake.store, file, [(b"", (start, end))], b"", 206, headers | one)
    boundary = secrets.token_hex(16)
    parts = [
        (
            f"\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: bytes {start}-{end - 1}/{file.bytes}\r\n\r\n".encode(),
            (start, end),
        )
        for start, end in ranges
    ]
    several = {"Content-Type": f"multipart/byteranges; boundary={boundary}"}
    return _streamed(request, lake.store, file, parts, f"\r\n--{boundary}--\r\n".encode(), 206, headers | several)


def _streamed(
    request: Request,
    store: ObjectStore,
    file: LakeFile,
    parts: list[tuple[bytes, tuple[int, int]]],
    close: bytes,
    status: int,
    headers: dict[str, str],
) -> Response:
    """A response of parts, each with what stands before it."""
    length = sum(len(before) + end - start for before, (start, end) in parts) + len(close)
    headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)

    def body() -> Iterator[bytes]:
        for before, (start, end) in parts:
            yield before
            if start < end:
                yield from store.stream(file.key, start=start, end=end)
        yield close

    return StreamingResponse(filter(None, body()), status, headers)
