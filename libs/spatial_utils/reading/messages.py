"""What a reading process says, and what its silence means, as problems for the uploader. Nothing that it sends is trusted."""

import json
import signal
import struct
from dataclasses import dataclass
from typing import Any

from libs.models import Problem, Rejected
from libs.spatial_utils.archive import EXPANSION_FROM_BYTES
from libs.spatial_utils.reading.launcher import Child, TimeLimitExceeded

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_MEMORY_EXIT = 3
_ROWS_PER_BYTE = 10


@dataclass(frozen=True)
class ReadLimits:
    """What the reading of one file may take.

    Attributes:
        memory_mb: Address space of the reading process beyond what it starts with, in MiB.
        seconds: Time that is spent waiting for it, and processor time that it uses, each.
        unpacked_mb: What an archive may unpack to, and what the rows of a file may come to, in MiB.
        expansion: How many times its size either may come to, where that is more than ``EXPANSION_FROM_BYTES``.
    """

    memory_mb: int = 2048
    seconds: int = 3600
    unpacked_mb: int = 16_384
    expansion: int = 250

    def rows(self, size: int) -> tuple[int, str]:
        """Bytes that the rows of a file may come to, and the setting that says so.

        A file that is larger than what archives may unpack to has room for its rows, too: they are larger than the file as a
        rule, by a few times.

        Args:
            size: Of the file, with what belongs to it, unpacked.
        """
        return min(
            (max(EXPANSION_FROM_BYTES, size * self.expansion), "SPATIAL_ETL_MAX_EXPANSION"),
            (max(self.unpacked_mb * 1024 * 1024, _ROWS_PER_BYTE * size), "SPATIAL_ETL_MAX_UNPACKED_MB"),
        )


def receive(child: Child) -> dict[str, Any]:
    """The next message: a length and JSON.

    Raises:
        EOFError: when the process ended before it.
        ValueError: when it is not a message.
        TimeLimitExceeded: when nothing came.
    """
    size = child.pipe.read(4)
    if len(size) < 4:  # noqa: PLR2004 - the length's own length
        raise EOFError
    (length,) = struct.unpack("<I", size)
    if length > _MAX_MESSAGE_BYTES:
        raise ValueError("the message is too long")
    body = child.pipe.read(length)
    if len(body) < length:
        raise EOFError
    message: dict[str, Any] = json.loads(body)
    return message


def receive_header(child: Child, where: str, limits: ReadLimits, warnings: list[Problem]) -> dict[str, Any]:
    """What a reading process says of a file before it sends data; its warnings are added to ``warnings``.

    Raises:
        Rejected: when the file cannot be read, or the process ended or took too long.
    """
    try:
        header = receive(child)
    except TimeLimitExceeded as error:
        raise too_slow(where, limits) from error
    except (EOFError, OSError, ValueError) as error:
        raise died(child, where, limits) from error
    if "problems" in header:
        raise Rejected([problem_of(said, where) for said in header["problems"]])
    warnings += [problem_of(said, where) for said in header["warnings"]]
    return header


def problem_of(said: dict[str, str], where: str) -> Problem:
    """A problem as the process says it, with its place in the manifest."""
    place = f"{where}: {said['place']}" if said["place"] else where
    return Problem(code=said["code"], where=place, message=said["message"], remedy=said["remedy"])


def too_slow(where: str, limits: ReadLimits) -> Rejected:
    """The time limit was met."""
    return Rejected.because(
        "read_timeout",
        where,
        f"Reading the file took longer than {limits.seconds:,} seconds and was stopped.",
        "Split the file; or, if it is that large, ask the operator to raise SPATIAL_ETL_READ_SECONDS.",
    )


def too_many_rows(where: str, limits: ReadLimits, size: int) -> Rejected:
    """The rows came to more bytes than a file of this size may have."""
    most, setting = limits.rows(size)
    return Rejected.because(
        "expands_too_much",
        where,
        f"The rows of the file come to more than {most:,} bytes, and the file has {size:,}: a view that joins each row with all "
        "others does that, or values that are stored once and repeated.",
        "Take the view out, or name the layers that are wanted as 'layer'; if the data really is that large, ask the operator to "
        f"raise {setting}.",
    )


def died(child: Child, where: str, limits: ReadLimits) -> Rejected:
    """Why the worker's data ended too early."""
    code = child.exit_code()
    if code in {-signal.SIGKILL, _MEMORY_EXIT, -signal.SIGABRT}:
        return Rejected.because(
            "read_out_of_memory",
            where,
            f"Reading the file took more than {limits.memory_mb:,} MiB of memory and was stopped.",
            "Split the file or write it in another format; or ask the operator to raise SPATIAL_ETL_READ_MEMORY_MB.",
        )
    if code == -signal.SIGXCPU:
        return too_slow(where, limits)
    how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
    return Rejected.because(
        "read_crashed",
        where,
        f"The process that read the file ended before the file did ({how}): the file is damaged or malicious.",
        "Check that it opens in another program, and write it again in another format.",
    )
