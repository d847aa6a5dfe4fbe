"""How batches are grouped into runs."""

from hypothesis import given
from hypothesis import strategies as st

from libs.pipeline.intake import Work
from services.dagster.etl_pipelines.sensors.run_size import LARGE, RUN_BATCHES, RUN_BYTES, grouped

SIZES = st.lists(st.one_of(st.integers(0, LARGE // 8), st.integers(LARGE // 2, 2 * LARGE)), max_size=60)


def work(*sizes: int) -> list[Work]:
    return [Work(f"manifests/b{number}.json", f"b{number}#1", size) for number, size in enumerate(sizes)]


def test_a_flood_of_small_batches_shares_runs() -> None:
    assert [len(group) for group in grouped(work(*[100] * (2 * RUN_BATCHES + 1)))] == [RUN_BATCHES, RUN_BATCHES, 1]


def test_a_large_batch_is_alone_and_the_small_ones_around_it_share() -> None:
    small, large, also = grouped(work(10, LARGE, 10))[0], grouped(work(10, LARGE, 10))[1], grouped(work(10, LARGE, 10))[2:]
    assert [each.attempt for each in small] == ["b0#1", "b2#1"]
    assert [each.attempt for each in large] == ["b1#1"]
    assert also == []


def test_a_run_ends_where_its_files_are_many_bytes() -> None:
    assert [len(group) for group in grouped(work(*[RUN_BYTES // 5] * 12))] == [5, 5, 2]


def test_nothing_waits() -> None:
    assert grouped([]) == []


@given(SIZES)
def test_every_batch_is_in_one_run_and_in_its_turn(sizes: list[int]) -> None:
    batches = work(*sizes)
    groups = grouped(batches)
    assert sorted((each for group in groups for each in group), key=batches.index) == batches
    for group in groups:
        assert list(group) == sorted(group, key=batches.index)
        assert len(group) == 1 or sum(each.bytes for each in group) <= RUN_BYTES
        assert len(group) == 1 or all(each.bytes < LARGE for each in group)
    assert [batches.index(group[0]) for group in groups] == sorted(batches.index(group[0]) for group in groups)
