"""Telling others what became of a batch: one module for each channel, and the little that they share.

A channel sends one message and knows nothing of tries, batches at work or the ledger: those are ``libs.pipeline.notify`` and
``libs.ledger.notices``.
"""

from libs.notify.channel import TIME_LIMIT, Channel, Message, Notification, NotSent

__all__ = ["TIME_LIMIT", "Channel", "Message", "NotSent", "Notification"]
