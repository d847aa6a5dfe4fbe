"""Numbers between NumPy and Arrow without pandas: where it is installed, Arrow's own ways import it, which takes 0.3 s."""

from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Integers: TypeAlias = npt.NDArray[np.integer[Any]]
Doubles: TypeAlias = npt.NDArray[np.float64]


def array(numbers: npt.NDArray[Any]) -> pa.Array:
    """Numbers for Arrow, without a copy: what ``pa.array`` would make."""
    return pa.Array.from_buffers(pa.from_numpy_dtype(numbers.dtype), len(numbers), [None, pa.py_buffer(numbers)])


def indices(numbers: Integers) -> pa.Array:
    """The same, as 64-bit integers."""
    return array(numbers.astype(np.int64, copy=False))


def numbers(column: pa.Array) -> Integers:
    """A column without nulls for NumPy, without a copy: what ``to_numpy`` would make."""
    return cast("Integers", np.from_dlpack(column))


def scalar(number: float) -> pa.Scalar:
    """A 64-bit integer or a double as an argument of Arrow's functions: what ``pa.scalar`` would make, and they of a number."""
    return array(np.array([number]))[0]
