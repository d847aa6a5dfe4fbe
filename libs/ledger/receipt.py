"""From a manifest to its record, whatever the manifest is."""

import hashlib
import re
from datetime import datetime

from libs.models import ParsedManifest, Problem, Receipt
from libs.models.base import ID_PATTERN
from libs.models.manifest import MAX_NAME

_RAW = 2000
"""Characters kept of what is no JSON: enough to see what it was."""


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


def make_receipt(key: str, parsed: ParsedManifest, now: datetime) -> Receipt:
    """The record of a manifest, with the problems that it has in itself.

    Args:
        key: Its object key.
        parsed: The manifest.
        now: When it is received.
    """
    batch_id = batch_id_of(key)
    problems = list(parsed.problems)
    fields = parsed.value if isinstance(parsed.value, dict) else {}
    named = fields.get("batch_id")
    if isinstance(named, str) and named != batch_id:
        problems.append(
            Problem(
                code="batch_id_mismatch", where="batch_id",
                message=f"The manifest says {named[:128]!r}, but its file is called {key.rpartition('/')[2]!r}.",
                remedy=f"Upload it as manifests/{named if re.match(ID_PATTERN, named) else '<batch_id>'}.json.",
            )
        )  # fmt: skip
    return Receipt(
        batch_id=batch_id,
        sha256=hashlib.sha256(parsed.content).hexdigest(),
        key=key,
        received_at=now,
        uploader=uploader if isinstance(uploader := fields.get("uploader"), str) and len(uploader) <= MAX_NAME else None,
        content=parsed.value,
        raw=None if parsed.is_json else parsed.content[: 4 * _RAW].decode(errors="replace")[:_RAW],
        problems=tuple(problems),
    )
