"""The requesting side of the fork server: start it early, ask it for a worker, watch the worker's end."""

import atexit
import contextlib
import fcntl
import io
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

_PIPE_BYTES = 1024 * 1024
_MAX_REQUEST_BYTES = 128 * 1024
_GREETING_BYTES = 4096
_START_SECONDS = 60.0
_END_SECONDS = 10.0


class TimeLimitExceeded(Exception):  # noqa: N818 - what happened
    """Nothing more came from the worker within its time."""


class ServerLost(Exception):  # noqa: N818 - what happened
    """The fork server does not answer: it was killed, or could not be started."""


@dataclass
class Child:
    """A reading process, as its reader sees it.

    Attributes:
        pipe: What it sends, a buffered binary stream that raises ``TimeLimitExceeded``.
    """

    pipe: io.BufferedReader
    _end: socket.socket
    _status: int | None = field(default=None, init=False)

    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; waits a moment for it. None when that cannot be known."""
        if self._status is None:
            self._end.settimeout(_END_SECONDS)
            with contextlib.suppress(OSError, ValueError):
                self._status = int(self._end.recv(64))
        return self._status

    def close(self) -> None:
        """Kill it if it still lives, and free what belongs to it."""
        self._end.close()  # first: a thread that still reads holds the pipe until the worker's end closes it
        self.pipe.close()


class _Patient(io.RawIOBase):
    """The reading end of a pipe whose silence is bounded: only time spent waiting for the worker counts."""

    def __init__(self, descriptor: int, seconds: float) -> None:
        self._descriptor, self._left = descriptor, seconds
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def readinto(self, buffer: Any) -> int:
        started = time.monotonic()
        ready = self._poll.poll(max(self._left, 0) * 1000)
        self._left -= time.monotonic() - started
        if not ready:
            raise TimeLimitExceeded
        return os.readv(self._descriptor, [buffer])

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class _Launcher:
    """The one fork server of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._features: dict[str, Any] | None = None

    def warm_up(self) -> None:
        """Start the server and return at once."""
        with self._lock:
            self._start()

    def features(self) -> dict[str, Any]:
        """What the server said of itself and of the machine once it had started."""
        with self._lock:
            return self._greeting(self._start())

    def child(self, request: dict[str, Any], seconds: float) -> Child:
        """A fresh child at work on a request.

        Args:
            request: For ``job.main``; JSON.
            seconds: How long the reader may wait for it in all.

        Raises:
            ServerLost: when there is no server, even after starting a new one.
        """
        message = json.dumps(request).encode()
        if len(message) > _MAX_REQUEST_BYTES:
            raise ValueError("the request is too large")
        with self._lock:
            for last in (False, True):
                control = self._start()
                try:
                    self._greeting(control)
                    return _send(control, message, seconds)
                except (OSError, ServerLost) as error:
                    self._forget()
                    if last:
                        raise ServerLost(str(error)) from error
        raise AssertionError

    def forget_in_fork(self) -> None:
        """A forked copy of this process has no server: the socket belongs to the original."""
        self._lock = threading.Lock()
        if self._control is not None:
            self._control.close()
        self._process = self._control = self._features = None

    def stop(self) -> None:
        """End the server, and with it its children."""
        with self._lock:
            self._forget()

    def _start(self) -> socket.socket:
        """The socket to a server that runs; a new one if need be."""
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._forget()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONSAFEPATH": "1"}
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "libs.spatial_utils.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
            )
        ours.settimeout(_START_SECONDS)
        self._control = ours
        return ours

    def _greeting(self, control: socket.socket) -> dict[str, Any]:
        if self._features is None:
            message = control.recv(_GREETING_BYTES)
            if not message:
                raise ServerLost("the reading server ended as it started")
            self._features = json.loads(message)
        return self._features

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()  # it leaves nothing behind, its children go with it, and its own way out takes 0.1 s
            self._process.wait()
        self._process = self._control = self._features = None


def _send(control: socket.socket, message: bytes, seconds: float) -> Child:
    """Ask for a worker."""
    end, their_end = socket.socketpair()
    reading, writing = os.pipe()
    with contextlib.suppress(OSError):  # above the system's limit for unprivileged users: the default does, slower
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    child = Child(io.BufferedReader(_Patient(reading, seconds), _PIPE_BYTES), end)
    try:
        socket.send_fds(control, [message], [writing, their_end.fileno()])
    except OSError:
        child.close()
        raise
    finally:
        os.close(writing)
        their_end.close()
    return child


LAUNCHER = _Launcher()
os.register_at_fork(after_in_child=LAUNCHER.forget_in_fork)
atexit.register(LAUNCHER.stop)
