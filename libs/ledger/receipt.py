"""From the bytes of a manifest to its record, whatever the bytes are."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from libs.models import Manifest, Problem, Receipt, Rejected, parse_manifest
from libs.models.base import ID_PATTERN
from libs.models.manifest import MAX_NAME, parse_json

_RAW = 2000
"""Characters kept of what is no JSON: enough to see what it was."""


@dataclass(frozen=True)
class ParsedReceipt:
    """A manifest as far as it can be judged by itself.

    Attributes:
        receipt: With the problems found.
        is_json: Whether its content is a JSON value.
        manifest: None when there are problems.
    """

    receipt: Receipt
    is_json: bool
    manifest: Manifest | None


def batch_id_of(key: str) -> str:
    """The batch that a manifest's object key stands for: the file's name, or what can be made of it.

    A name that is no identifier is spelled with the characters that are, and gets a part of its hash, so that different
    names stay different.
    """
    stem = re.sub(r"\.json$", "", key.rpartition("/")[2], flags=re.IGNORECASE)
    if re.fullmatch(ID_PATTERN, stem):
        return stem
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100]
    return f"{readable or 'manifest'}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def read_receipt(key: str, content: bytes, landing_bucket: str, now: datetime) -> ParsedReceipt:
    """Parse a manifest and make its record.

    Args:
        key: Its object key.
        content: The object as uploaded.
        landing_bucket: Name of the bucket that its files must lie in.
        now: When it is received.
    """
    batch_id = batch_id_of(key)
    manifest, problems = None, []
    try:
        manifest = parse_manifest(content, landing_bucket=landing_bucket)
    except Rejected as rejection:
        problems = list(rejection.problems)
    try:
        value, is_json = parse_json(content), True
    except Rejected:
        value, is_json = None, False
    fields = value if isinstance(value, dict) else {}
    named = fields.get("batch_id")
    if isinstance(named, str) and named != batch_id:
        problems.append(
            Problem(
                code="batch_id_mismatch", where="batch_id",
                message=f"The manifest says {named[:128]!r}, but its file is called {key.rpartition('/')[2]!r}.",
                remedy="Upload it as manifests/<batch_id>.json.",
            )
        )  # fmt: skip
    receipt = Receipt(
        batch_id=batch_id,
        sha256=hashlib.sha256(content).hexdigest(),
        key=key,
        received_at=now,
        uploader=uploader if isinstance(uploader := fields.get("uploader"), str) and len(uploader) <= MAX_NAME else None,
        content=value,
        raw=None if is_json else content[: 4 * _RAW].decode(errors="replace")[:_RAW],
        problems=tuple(problems),
    )
    return ParsedReceipt(receipt, is_json, manifest)
