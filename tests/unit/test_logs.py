"""Log lines: one line each, whatever they quote; in JSON, with what they are about."""

import io
import json
import logging
import threading

import pytest

from libs import logs


@pytest.fixture
def written(monkeypatch):
    """Makes a handler of its own; gives its logger and what was written."""

    def written(form):
        stream = io.StringIO()
        logger = logging.Logger("libs.test", logging.INFO)  # noqa: LOG001 - the program's own are not to hear it
        logger.addHandler(logs.Handler(stream, lambda: form))
        return logger, lambda: stream.getvalue().splitlines()

    return written


def test_a_line_of_json_says_what_it_is_about(written):
    logger, lines = written("json")
    with logs.about(batch_id="b"), logs.about(run_id="b#1"):
        logger.info("placing %s", "roads", extra=logs.extra(dataset_id="roads", run_id="b#2"))
    logger.warning("later")
    first, second = map(json.loads, lines())
    assert first.items() >= {
        "level": "info", "message": "placing roads", "batch_id": "b", "run_id": "b#2", "dataset_id": "roads",
        "logger": "libs.test",
    }.items()  # fmt: skip
    assert first["time"].endswith("+00:00")
    assert "batch_id" not in second


def test_what_was_uploaded_neither_breaks_a_line_nor_steers_a_terminal(written):
    nasty = 'a\nb\x1b[31m"\u202e\u2028'
    for form in ("text", "json"):
        logger, lines = written(form)
        logger.warning("file %s", nasty, extra=logs.extra(dataset_id=nasty))
        (line,) = lines()
        assert line.isprintable()
        if form == "json":
            assert json.loads(line)["message"] == f"file {nasty}"
            assert json.loads(line)["dataset_id"] == nasty


def test_a_traceback_is_part_of_its_line(written):
    logger, lines = written("json")
    try:
        int("no\x1b")
    except ValueError:
        logger.exception("it failed")
    (line,) = lines()
    assert "ValueError: invalid literal" in json.loads(line)["traceback"]


def test_people_are_told_of_warnings_alone(written):
    logger, lines = written("text")
    logger.info("done")
    logger.warning("wrong")
    assert lines() == ["wrong"]


def test_what_a_thread_speaks_of_is_its_own(written):
    logger, lines = written("json")
    with logs.about(batch_id="b"):
        thread = threading.Thread(target=logger.info, args=("other",))
        thread.start()
        thread.join()
    assert "batch_id" not in json.loads(lines()[0])
