import re

from hypothesis import given
from hypothesis import strategies as st

from libs.compute.engine import schema_name
from libs.models.base import ID_PATTERN

RUNS = st.builds(
    "{}#{}".format, st.from_regex(re.compile(ID_PATTERN, re.ASCII), fullmatch=True).map(str.strip), st.integers(1, 10_000)
)


@given(RUNS, RUNS, st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_schema_belongs_to_one_table_of_one_run(one: str, other: str, first: int, second: int) -> None:
    assert (schema_name(one, first) == schema_name(other, second)) == ((one, first) == (other, second))


@given(RUNS, st.integers(1, 10_000))
def test_a_schema_needs_no_care(run: str, table: int) -> None:
    assert re.fullmatch("proc_[a-z0-9_]+", schema_name(run, table))
    assert len(schema_name(run, table)) <= 63
