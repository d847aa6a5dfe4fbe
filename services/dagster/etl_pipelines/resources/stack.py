"""The platform that the settings choose, one for each process."""

import atexit
from contextlib import ExitStack
from functools import cache

import dagster as dg

from libs.pipeline.stack import Stack
from libs.platform import open_stack


@dg.resource(description="Landing zone, lake, ledger and engine, as the settings choose them.")
def stack(_: dg.InitResourceContext) -> Stack:
    """A :class:`~libs.pipeline.stack.Stack`."""
    return opened()


@cache
def opened() -> Stack:
    """The stack of this process, opened at the first call: a sensor that looks every few seconds opens no connection for it."""
    closing = ExitStack()
    atexit.register(closing.close)
    return closing.enter_context(open_stack())
