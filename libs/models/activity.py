"""The audit log: who did what, when."""

from typing import Any

from libs.models.base import Moment
from libs.models.document import Document


class Activity(Document):
    """One entry (collection ``activity_logs``, generated ``_id``).

    Attributes:
        actor: Uploader, or the worker's owner string.
        action: Stable verb: ``received``, ``rejected``, ``claimed``, ``success``, ``failure``, ``canceled``, ``removed``,
            ``made current``, ``granted``, ``revoked``, ``upgraded``.
        subject: What it was done to: a batch, run or object key.
    """

    at: Moment
    actor: str
    action: str
    subject: str
    details: dict[str, Any] = {}
