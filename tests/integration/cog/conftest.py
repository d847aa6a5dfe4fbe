"""rasterio, in a process of its own."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def rasterio() -> Iterator[Callable[..., Any]]:
    """Calls a function of rasterio_reader.py by its name."""
    command = [sys.executable, "-W", "ignore", Path(__file__).with_name("rasterio_reader.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout

        def ask(what: str, **request: Any) -> Any:
            process.stdin.write(json.dumps({"what": what, **request}).encode() + b"\n")
            process.stdin.flush()
            return pickle.load(process.stdout)

        yield ask
        process.stdin.close()
