"""A web address that gets each notification as JSON."""

from libs.models import Event
from libs.notify.channel import Message
from libs.notify.http import Endpoint


class Webhook:
    """Sends by POST. ``Idempotency-Key`` is the notice's id, ``X-Spatial-ETL-Event`` the event.

    Args:
        endpoint: Where to.
        events: What to tell.
    """

    name, setting, of_runs = "webhook", "SPATIAL_ETL_NOTIFY_WEBHOOK", False

    def __init__(self, endpoint: Endpoint, events: frozenset[Event]) -> None:
        self._endpoint, self.events = endpoint, events

    def send(self, message: Message) -> str:
        """See :class:`~libs.notify.Channel`."""
        told = message.notification
        self._endpoint.post(
            told.model_dump_json().encode(), {"Idempotency-Key": told.notice_id, "X-Spatial-ETL-Event": told.event}
        )
        return ""

    def check(self) -> str:
        """See :class:`~libs.notify.Channel`."""
        return self._endpoint.check()
