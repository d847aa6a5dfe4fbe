"""The registry of codes is complete: it has each code that the source uses, and no other."""

from pathlib import Path

import pytest

from libs.models.codes import CODES, GROUPS, Severity
from tests.unit.codes_in_source import ROOT, CannotFollowError, codes_in


@pytest.fixture(scope="module")
def used() -> dict[str, dict[str, str]]:
    return codes_in([ROOT / "libs", ROOT / "services"])


def test_every_code_is_in_the_registry(used: dict[str, dict[str, str]]) -> None:
    assert {code: places for code, places in used.items() if code not in CODES} == {}


def test_the_registry_has_no_code_that_nobody_uses(used: dict[str, dict[str, str]]) -> None:
    assert set(CODES) - set(used) == set()


def test_the_severity_is_what_the_source_says(used: dict[str, dict[str, str]]) -> None:
    """Not all places tell it: a ``Problem`` may be either."""
    rejecting = {"Unreadable", "because", "refuse", "refuse_any", "rejection"}
    wrong_warnings = [
        code for code, uses in used.items() if CODES[code].severity is Severity.WARNING and rejecting & {*uses.values()}
    ]
    wrong_problems = [code for code, uses in used.items() if CODES[code].severity is Severity.PROBLEM and "warn" in uses.values()]
    assert (wrong_warnings, wrong_problems) == ([], [])


def test_each_code_stands_once_and_in_order() -> None:
    assert sum(map(len, GROUPS.values())) == len(CODES)
    assert [list(codes) for codes in GROUPS.values()] == [sorted(codes) for codes in GROUPS.values()]


def test_each_code_says_what_it_means_and_what_to_do() -> None:
    assert [code for code, entry in CODES.items() if not (entry.meaning.endswith(".") and entry.remedy)] == []
    assert {entry.severity for entry in CODES.values()} == set(Severity)


def _source(folder: Path, text: str) -> Path:
    package = folder / "package"
    package.mkdir()
    (package / "sinks.py").write_text(
        "def warn(code, message, remedy): ...\n"
        "class Unreadable(Exception):\n    def __init__(self, code, message, remedy, place=''): ...\n"
        "class Rule:\n    pattern: str\n    code: str\n    message: str\n    remedy: str\n"
    )
    (package / "use.py").write_text(text)
    return package


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("warn('a', 'm', 'r')", {"a"}),
        ("raise Unreadable('a', 'm', 'r')", {"a"}),
        ("notes.warn(remedy='r', code='a', message='m')", {"a"}),
        ("Rule(pattern, 'a', 'm', 'r')", {"a"}),
        ("warn('a' if x else 'b', 'm', 'r')", {"a", "b"}),
        ("A = 'a'\nwarn(A, 'm', 'r')", {"a"}),
        (
            "match x:\n  case 1:\n    code, m = 'a', 'm'\n  case _:\n    code, m = 'b', 'm'\nwarn(code, m, 'r')",
            {"a", "b"},
        ),
        ("T = (('p', 'a', 'm'), ('p', 'b', 'm'))\nfor p, code, m in T:\n  warn(code, m, 'r')", {"a", "b"}),
        ("def mine(code, remedy):\n  return Unreadable(code, 'm', remedy)\nmine('a', 'r')", {"a"}),
        ("raise SystemExit(code='a')", set()),
    ],
)
def test_how_a_code_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, codes: set[str]) -> None:
    monkeypatch.setattr("tests.unit.codes_in_source.ROOT", tmp_path)
    assert set(codes_in([_source(tmp_path, text)])) == codes


def test_a_code_that_is_put_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotFollowError, match=r"use\.py:1"):
        codes_in([_source(tmp_path, "warn('a' + x, 'm', 'r')")])
