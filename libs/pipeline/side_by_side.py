"""Work that waits for disks and servers most of its time, done with several things at once."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

AT_ONCE = 8
"""Things that are worked on at the same time."""

_AHEAD = 4
"""Results, for each thread, that wait for the one before them."""

_Item = TypeVar("_Item")
_Key = TypeVar("_Key")
_Result = TypeVar("_Result")


class GivenUp(Exception):  # noqa: N818 - nobody waits for the result any more
    """Nobody waits for the result any more."""


def side_by_side(work: Callable[[_Item, Callable[[], None]], _Result], items: Iterable[_Item], name: str) -> Iterator[_Result]:
    """Do something with each item, in threads. The results come in the order of the items; few items are taken ahead.

    Args:
        work: Gets an item, and a function that it calls now and then: that raises :class:`GivenUp` when it is to end.
        items: Taken from the caller's thread.
        name: Of the threads.
    """
    over = threading.Event()

    def go_on() -> None:
        if over.is_set():
            raise GivenUp

    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=name) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item, go_on))
                if len(waiting) >= AT_ONCE * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            over.set()
            for each in waiting:
                each.cancel()


class Once(Generic[_Key, _Result]):
    """Work that is done once for each key, however many threads ask for it. The others wait for the first one.

    Args:
        work: What is done for a key. What it raises, all get.
    """

    def __init__(self, work: Callable[[_Key], _Result]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._begun: dict[_Key, Future[_Result]] = {}

    def __call__(self, key: _Key) -> _Result:
        """The result for a key."""
        with self._lock:
            known = self._begun.get(key)
            own = self._begun.setdefault(key, Future())
        if known is None:
            try:
                own.set_result(self._work(key))
            except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
                own.set_exception(error)
        return own.result()
