"""The platform that the settings choose, one for each process."""

import atexit
import sys
from contextlib import ExitStack
from functools import cache

import dagster as dg

from libs import logs
from libs.models.settings import Settings
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
    settings = Settings()
    if settings.spatial_etl_log == logs.JSON:  # texts are written by Dagster
        logs.install(sys.stderr, lambda: logs.JSON)
    return closing.enter_context(open_stack(settings))
