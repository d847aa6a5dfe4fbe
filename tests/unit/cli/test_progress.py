import threading

import pytest

from libs.pipeline.progress import Event, counted
from services.cli.progress import described

EVENT = {"batch_id": "b", "subject": "s3://landing-zone/b/roads.gpkg"}


@pytest.mark.parametrize(
    ("event", "seconds", "said"),
    [
        (Event(phase="read", **EVENT), 0.1, "b: reading roads.gpkg"),
        (Event(phase="read", **EVENT), 75, "b: reading roads.gpkg  1 min 15 s"),
        (Event(phase="read", features=120_000, **EVENT), 4, "b: reading roads.gpkg  120,000 features  30,000/s  4.00 s"),
        (Event(phase="fetch", octets=10**9, of=3 * 10**9, **EVENT), 0.5, "b: fetching roads.gpkg  1.0 GB of 3.0 GB"),
        (
            Event(phase="upload", octets=10**9, of=3 * 10**9, **EVENT),
            10,
            "b: uploading roads.gpkg  1.0 GB of 3.0 GB  100.0 MB/s  20.0 s left",
        ),
        (Event(phase="upload", octets=9, of=9, **EVENT), 10, "b: uploading roads.gpkg  9 B of 9 B"),
    ],
)
def test_what_is_done_how_far_and_how_long_it_takes(event, seconds, said):
    assert described(event, seconds) == said


def test_bytes_of_several_threads_are_one_sum():
    told = []
    moved = counted(told.append, "b", "upload", "f", 4000)
    threads = [threading.Thread(target=lambda: [moved(1) for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.octets for event in told] == list(range(1, 4001))
