"""What all services have in common, and what they must find again when they are asked for later."""

import json
import random
import secrets
import socket
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
ADMINISTRATOR = "administrator"

_PORTS = range(20_000, 32_000)
"""Below those that the kernel hands out: a client that tries a dead one of these again and again could be given that very port as
its own, and would talk to itself where the server must come back."""


class LocalServiceError(Exception):
    """A service could not be had; the message says what to do."""


class Memory:
    """The ports, passwords and processes of a service: a JSON file that only its owner can read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, name: str) -> Any:
        """What was last remembered under a name, or None."""
        try:
            return json.loads(self._file.read_text(encoding="utf-8")).get(name)
        except FileNotFoundError:
            return None
        except (ValueError, AttributeError) as error:
            raise LocalServiceError(f"{self._file} is damaged ({error}). Remove the folder {self._file.parent}.") from error

    def set(self, name: str, value: Any) -> None:
        """Remember something, whole or not at all."""
        known = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.touch(0o600)
        new.write_text(json.dumps(known | {name: value}, indent=2), encoding="utf-8")
        new.replace(self._file)

    def password(self, name: str) -> str:
        """A password, made up when it is first asked for."""
        if self.get(name) is None:
            self.set(name, secrets.token_hex(16))
        return str(self.get(name))

    def free_port(self, name: str) -> int:
        """The port that was used before if it is still free, else another."""
        known = self.get(name)
        while known is None or not _is_free(known):
            known = random.choice(_PORTS)  # noqa: S311
            self.set(name, known)
        return int(known)


class Service(ABC):
    """A service that runs in the background, in a folder of its own.

    Attributes:
        name: As users know it; also the name of its folder.
        settings: Those of spatial-etl that reach it; the first says where a server is, ours or another.
        folder: Where it keeps everything.
    """

    name: str
    settings: tuple[str, ...]

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.memory = Memory(self.folder / "state.json")

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether it was started and has not ended since."""

    @abstractmethod
    def build(self) -> None:
        """Get its programs, where this machine has not got them yet."""

    @abstractmethod
    def start(self) -> None:
        """Start it, with the data it has, and wait until it answers; nothing if it runs.

        Raises:
            LocalServiceError: when its programs are not there, or it does not come up.
        """

    @abstractmethod
    def stop(self) -> None:
        """End it in good order; nothing if it doesn't run."""

    @abstractmethod
    def kill(self) -> None:
        """End it as a power cut would, all its processes at once."""

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The settings of spatial-etl that reach it, as its administrator."""

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{HOST}:{self.memory.get('port')}"

    @property
    def version(self) -> str:
        """What it is and in which version, as learned when it was started."""
        return str(self.memory.get("version"))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: closed connections don't hold the port
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
