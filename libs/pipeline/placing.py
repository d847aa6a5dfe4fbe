"""Placing the files of a run in the lake: reserve a version of each dataset, then write its files where nothing lies yet."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from libs.ledger import Ledger
from libs.models import LakeFile, Reservation, Run, ServiceUnavailable
from libs.pipeline.datasets import MadeDataset
from libs.storage import DataLake

_AT_ONCE = 8
"""Datasets whose files are written at the same time: a write waits for a disk or a server most of its time."""

_GROUP = 256
"""Datasets that are reserved at once."""


@dataclass(frozen=True)
class Placed:
    """A dataset whose files lie in the lake.

    Attributes:
        reservation: Of its version.
        seconds: That its files took.
    """

    reservation: Reservation
    seconds: float


def place(
    lake: DataLake,
    ledger: Ledger,
    run: Run,
    datasets: Sequence[MadeDataset],
    before: Callable[[Sequence[MadeDataset]], None],
    taken: Mapping[str, Reservation] | None = None,
) -> dict[str, Placed]:
    """Place the files of datasets. What lies where no record speaks of it is passed over, never replaced.

    Args:
        lake: Where to.
        ledger: Gives the version numbers.
        run: Whose files they are. They are given away: gone from scratch when they have been placed.
        datasets: All of the run.
        before: Called before each group of datasets is placed; what it raises ends the placing.
        taken: Reservations that were taken before, by dataset, see :func:`libs.pipeline.turns.take`.

    Returns:
        By dataset.
    """
    placed: dict[str, Placed] = {}
    own = {**(taken or {})}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="placing") as pool:
        for start in range(0, len(datasets), _GROUP):
            left = {dataset.dataset_id: dataset for dataset in datasets[start : start + _GROUP]}
            before([*left.values()])
            while left:
                names = {identifier: file_names(dataset) for identifier, dataset in left.items() if identifier not in own}
                reserved = own | ledger.reserve(names, run, lake.prefix)
                each = partial(_place, lake, reserved)
                # A few are not worth the threads.
                results = map(each, left.values()) if len(left) <= _AT_ONCE else pool.map(each, left.values())
                again: dict[str, MadeDataset] = {}
                for dataset, (in_the_way, seconds) in zip(left.values(), results, strict=True):
                    reservation = reserved[dataset.dataset_id]
                    if in_the_way:
                        ledger.pass_over(reservation, in_the_way)
                        if dataset.dataset_id in own:  # another number is another turn
                            raise ServiceUnavailable("the lake", f"{in_the_way[0]} came to lie there meanwhile.", "the lake")
                        again[dataset.dataset_id] = dataset
                    else:
                        placed[dataset.dataset_id] = Placed(reservation, seconds)
                left = again
    return placed


def file_names(dataset: MadeDataset) -> list[str]:
    """The names of its files in the folder of its version."""
    return [file.name for file in dataset.files]


def lake_files(dataset: MadeDataset, reservation: Reservation) -> tuple[LakeFile, ...]:
    """The files of a dataset as its record names them."""
    return tuple(
        LakeFile(
            key=f"{reservation.prefix}{file.name}",
            sha256=file.sha256,
            bytes=file.bytes,
            features=file.features,
            role=file.role.value,
        )
        for file in dataset.files
    )


def _place(lake: DataLake, reserved: Mapping[str, Reservation], dataset: MadeDataset) -> tuple[list[str], float]:
    """Write the files of a version. Returns the keys of what was in the way, and the seconds it took."""
    started = perf_counter()
    prefix = reserved[dataset.dataset_id].prefix
    in_the_way = [info.key for info in lake.objects(prefix)]
    for number, file in enumerate(dataset.files):
        if in_the_way:
            break
        if not lake.place(f"{prefix}{file.name}", file.path):  # it came after the look
            in_the_way.append(f"{prefix}{file.name}")
            for earlier in dataset.files[:number]:
                lake.fetch(f"{prefix}{earlier.name}", earlier.path)
    return in_the_way, perf_counter() - started
