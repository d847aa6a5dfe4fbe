from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from services.cli import output

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (3_449, "3.4 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (5 * 10**12, "5.0 TB"),
    ],
)
def test_sizes_are_said_in_decimal_units(octets, said):
    assert output.size(octets) == said


@given(st.integers(0, 10**18))
def test_no_size_is_said_as_a_thousand_of_a_smaller_unit(octets):
    number, unit = output.size(octets).split()
    assert unit == "TB" or float(number) < 1000


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=-2), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=3, minutes=59), "3 h ago"),
    ],
)
def test_recent_times_are_relative(age, said):
    assert output.when(NOW - age, NOW) == said


def test_older_times_are_local_dates():
    moment = NOW - timedelta(days=2)
    assert output.when(moment, NOW) == f"{moment.astimezone():%Y-%m-%d %H:%M}"


def test_a_time_in_the_future_is_not_called_recent():
    assert output.when(NOW + timedelta(hours=2), NOW).startswith("2026-11-2")


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "dataset", "1 dataset"),
        (0, "geometry", "0 geometries"),
        (12_345, "feature", "12,345 features"),
        (2, "batch", "2 batches"),
    ],
)
def test_counts_agree_with_their_noun(number, noun, said):
    assert output.count(number, noun) == said


@pytest.mark.parametrize(("duration", "said"), [(0.417, "0.42 s"), (12.34, "12.3 s"), (200, "3 min 20 s")])
def test_durations(duration, said):
    assert output.seconds(duration) == said


def test_what_comes_from_a_file_cannot_steer_the_terminal():
    shown = output.text("roads\x1b]0;owned\x07\u202e[red]")
    assert shown.plain == r"roads\x1b]0;owned\x07\u202e[red]"


def test_what_is_quoted_begins_no_line_of_its_own(capsys):
    output.line("layer ", "x\n✓ all is well")
    assert capsys.readouterr().out == "layer x\\n✓ all is well\n"


@pytest.mark.parametrize("name", ["道路", "한강", "🏔🏔", "e\u0301\u0301\u0301", "x\x1b\u202e", "ｆｕｌｌ", "a"])
def test_columns_stand_below_each_other_whatever_the_script(capsys, name):
    output.table(("NAME", "VERSION"), [("long enough a name", 1), (name, 1)])
    _, first, second = capsys.readouterr().out.splitlines()
    assert cell_len(first) == cell_len(second)


def test_a_crs_without_a_code_is_shown_by_its_name():
    assert output.short_crs('PROJCRS["Town grid",BASEGEOGCRS["WGS 84"]]') == "Town grid"
    assert output.short_crs("EPSG:4326") == "EPSG:4326"
    assert output.short_crs(None) == "-"
