"""Who sends a notice, and when it is tried again."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from libs.ledger.notices import MAX_AGE, PAUSES, Notices
from libs.models import Event, Notice, NoticeEnd, NoticeResult, NoticeTry

SENT = NoticeResult.SENT


def noted(worker: Any, *channels: str) -> tuple[Notices, list[Notice]]:
    notices = Notices(worker.ledger)
    notices.note("a#1", "a", Event.PUBLISHED, channels or ("mail",), run_id="a#1")
    return notices, notices.owed()


def test_a_notice_is_sent_by_one_worker_and_once(open_worker: Callable[[], Any]) -> None:
    notices, (notice,) = noted(open_worker())
    others = Notices(open_worker().ledger)
    made = notices.claim(notice)
    assert isinstance(made, NoticeTry)
    assert isinstance(others.claim(notice), datetime)
    notices.end(notice, SENT, made.number)
    assert others.claim(notice) is None  # it had listed the notice before
    others.note("a#1", "a", Event.PUBLISHED, ["mail"], run_id="a#1")
    assert others.owed() == []
    assert [(end.result, end.tries) for end in others.ends("a")] == [(SENT, 1)]
    assert [*others.ends("b")] == [*others.ends(result=NoticeResult.GIVEN_UP)] == []


def test_a_sender_that_died_is_followed_by_another_when_the_pause_is_over(open_worker: Callable[[], Any], clock: Any) -> None:
    notices, (notice,) = noted(open_worker())
    assert isinstance(notices.claim(notice), NoticeTry)
    others = Notices(open_worker().ledger)
    clock.advance(PAUSES[0] - 1)
    assert isinstance(others.claim(notice), datetime)
    clock.advance(1)
    made = others.claim(notice)
    assert isinstance(made, NoticeTry)
    assert made.number == 2


def test_it_is_given_up_after_the_last_try_with_its_reason(worker: Any, clock: Any) -> None:
    notices, (notice,) = noted(worker)
    for pause in (*PAUSES, 0.0):
        made = notices.claim(notice)
        assert isinstance(made, NoticeTry)
        assert notices.failed(notice, made, "it is out") == (pause == 0.0)
        clock.advance(pause)
    (end,) = notices.ends(result=NoticeResult.GIVEN_UP)
    assert (end.tries, end.remark) == (len(PAUSES) + 1, "it is out")
    assert (notices.owed(), [*worker.ledger.store.ids("notice_tries")]) == ([], [])


def test_what_is_too_old_is_given_up(worker: Any, clock: Any) -> None:
    notices, (notice,) = noted(worker)
    clock.advance(MAX_AGE.total_seconds())
    assert notices.claim(notice) is None
    assert [end.result for end in notices.ends()] == [NoticeResult.GIVEN_UP]


def test_what_was_tried_least_comes_first(worker: Any) -> None:
    notices, (first, second) = noted(worker, "mail", "webhook")
    notices.claim(first)
    assert [notice.id for notice in notices.owed()] == [second.id, first.id]
    assert [notice.id for notice in notices.of_batch("a")] == [first.id, second.id]


def test_what_a_sender_left_that_died_at_the_end_is_taken_away(worker: Any) -> None:
    notices, (notice,) = noted(worker)
    made = notices.claim(notice)
    assert isinstance(made, NoticeTry)
    end = NoticeEnd(
        notice_id=notice.id,
        channel="mail",
        batch_id="a",
        event=Event.PUBLISHED,
        result=SENT,
        tries=1,
        ended_at=worker.ledger.clock(),
    )
    worker.ledger.store.insert("notice_ends", end.id, end.to_document())
    assert notices.claim(notice) is None
    assert (notices.owed(), [*worker.ledger.store.ids("notice_tries")]) == ([], [])


def test_who_claims_when_another_has_just_ended_it_sends_nothing(
    open_worker: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's try, which would be in the way, is gone with the end."""
    notices, (notice,) = noted(open_worker())
    late = open_worker().ledger
    insert = late.store.insert

    def slow(collection: str, identity: str, document: dict[str, Any]) -> bool:
        monkeypatch.undo()  # the others see the store as it is
        made = notices.claim(notice)
        assert isinstance(made, NoticeTry)
        notices.end(notice, SENT, made.number)
        return bool(insert(collection, identity, document))

    monkeypatch.setattr(late.store, "insert", slow)
    assert Notices(late).claim(notice) is None
    assert [*late.store.ids("notice_tries")] == []
