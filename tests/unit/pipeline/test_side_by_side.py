import threading
from collections.abc import Callable

import pytest

from libs.pipeline.side_by_side import AT_ONCE, GivenUp, Once, side_by_side


def test_results_come_in_the_order_of_the_items() -> None:
    later = threading.Event()

    def work(item: int, _: Callable[[], None]) -> int:
        if item == 0:  # which waits for one behind it
            assert later.wait(10)
        if item == 5:
            later.set()
        return item * item

    assert list(side_by_side(work, range(100), "test")) == [item * item for item in range(100)]


def test_few_items_are_taken_ahead() -> None:
    taken: list[int] = []

    def items() -> object:
        for item in range(10_000):
            taken.append(item)
            yield item

    results = side_by_side(lambda item, _: item, items(), "test")
    assert next(results) == 0
    results.close()
    assert len(taken) <= AT_ONCE * 4


def test_what_fails_is_raised_in_its_place() -> None:
    def work(item: int, _: Callable[[], None]) -> int:
        return 10 // item

    results = side_by_side(work, [5, 2, 0, 1], "test")
    assert [next(results), next(results)] == [2, 5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_work_ends_when_nobody_waits_for_it() -> None:
    """Else Ctrl-C would wait until large files have been read to their ends."""
    begun, ended = threading.Event(), threading.Event()

    def work(item: int, go_on: Callable[[], None]) -> int:
        if item == 0:
            return item
        begun.set()
        try:
            while True:
                go_on()
        except GivenUp:
            ended.set()
            raise

    results = side_by_side(work, range(AT_ONCE * 4 + 1), "test")
    assert next(results) == 0
    assert begun.wait(10)
    results.close()
    assert ended.is_set()


def test_once_for_each_key() -> None:
    calls: list[str] = []
    held = threading.Event()

    def work(key: str) -> str:
        calls.append(key)
        assert held.wait(10)
        if key == "bad":
            raise ValueError(key)
        return key.upper()

    once = Once(work)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(once("a"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    held.set()
    for thread in threads:
        thread.join()
    assert (found, calls) == (["A"] * 5, ["a"])
    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            once("bad")
    assert calls == ["a", "bad"]
