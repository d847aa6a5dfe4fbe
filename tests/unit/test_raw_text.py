"""Whatever others wrote, what is shown of it steers no terminal and hides nothing."""

import json
import logging
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.raw_text import InertFormatter, inert, inert_json

SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Signs of numbers and verses, which Unicode counts among its invisible controls, and fonts draw."""
ANY = st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]))


def is_unsafe(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and ord(char) not in SEEN


def test_every_control_and_no_other_character_is_escaped():
    unassigned = {0xE0000, 0x2065, *range(0xE0002, 0xE0020)}  # kept free for further controls
    wrong = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if (inert(chr(code)) != chr(code)) != is_unsafe(chr(code)) and code not in unassigned
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b]0;owned\x07", r"a\x1b]0;owned\x07"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("one\ntwo\tthree\u2028four", r"one\ntwo\tthree\u2028four"),
        ("\x9b31m\udc80\U000e0041", r"\x9b31m\udc80\U000e0041"),
        ("Straße 道路 نهر café [red] \\x1b 🏔 10\xa0km", "Straße 道路 نهر café [red] \\x1b 🏔 10\xa0km"),
    ],
)
def test_escapes_are_seen_and_everything_else_stays(text, shown):
    assert inert(text) == shown


@given(ANY)
def test_any_text_is_shown_whole_and_harmless(text):
    shown = inert(text)
    assert not any(map(is_unsafe, shown))
    shown.encode()  # no half characters
    assert inert(shown) == shown
    assert shown == "".join(inert(char) for char in text)


@given(st.recursive(ANY | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ANY, inner)))
def test_json_means_the_same(value):
    document = inert_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(document) == value
    assert not any(is_unsafe(char) for char in document if char != "\n")


def test_a_log_line_is_one_line_and_a_traceback_keeps_its_lines():
    try:
        {}["bad\x1b[2J\u202e"]
    except KeyError as error:
        error.args = ("bad\x1b[2J",)
        record = logging.LogRecord("n", logging.ERROR, __file__, 1, "layer %s", ("x\n\x1b[31m",), sys.exc_info())
    first, *traceback = InertFormatter("%(levelname)s %(message)s").format(record).split("\n")
    assert first == r"ERROR layer x\n\x1b[31m"
    assert traceback[-1] == r"KeyError: 'bad\x1b[2J'"
