"""The fork server: a process that has loaded what reading needs, and forks a fresh child for each file.

Started as ``python -m libs.spatial_utils.worker <fd>``; the descriptor is a Unix socket of whole messages. A request
carries two descriptors: the pipe that the worker writes to, and a socket that tells of the worker's end. When the other side
closes that socket first, the worker is killed; so no process identifier, which might be another's by then, is ever passed around.
When the requesting process ends, however it ends, its socket closes, the server leaves, and the kernel kills the children.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback

sys.modules["numpy"] = None  # type: ignore[assignment]  # pyarrow would import it, which takes 0.1 s, and nothing here needs it

from libs.spatial_utils.worker import job, sandbox, seccomp  # noqa: E402
from libs.spatial_utils.worker.protocol import Request  # noqa: E402

MAX_REQUEST_BYTES = 128 * 1024
_FDS = 2


class _Server:
    def __init__(self, control: socket.socket, *, no_network: bool) -> None:
        self.control, self.no_network = control, no_network
        self.selector = selectors.DefaultSelector()
        self.children: dict[int, socket.socket] = {}  # pid -> where its end is told

    def run(self) -> None:
        self.control.send(
            json.dumps(
                {
                    "landlock": sandbox.landlock_abi(),
                    "seccomp": seccomp.available(),
                    "no_network": self.no_network,
                    **job.preload(),
                }
            ).encode()
        )
        gc.freeze()  # children share these pages until they touch them
        wakeup, alarm = socket.socketpair()
        wakeup.settimeout(0)
        alarm.settimeout(0)
        signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(wakeup, selectors.EVENT_READ)
        self.selector.register(self.control, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is wakeup:
                    with contextlib.suppress(BlockingIOError):
                        wakeup.recv(4096)
                elif key.fileobj is self.control:
                    if not self.accept():
                        return
                else:
                    self.kill(key.data)
            self.reap()

    def accept(self) -> bool:
        """Take one request and fork for it. False when the requesting process is gone."""
        message, descriptors, _, _ = socket.recv_fds(self.control, MAX_REQUEST_BYTES, _FDS, socket.MSG_CMSG_CLOEXEC)
        if not message:
            return False
        data, end = descriptors
        request = Request(**json.loads(message))
        job.reader_of(request.reader)
        pid = os.fork()
        if pid == 0:
            os.close(end)
            _be_child(request, data)
        os.close(data)
        told = socket.socket(fileno=end)
        self.children[pid] = told
        self.selector.register(told, selectors.EVENT_READ, pid)
        return True

    def kill(self, pid: int) -> None:
        """Nobody waits for this child any more."""
        self.selector.unregister(self.children[pid])
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own

    def reap(self) -> None:
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            told = self.children.pop(pid)
            with contextlib.suppress(KeyError):
                self.selector.unregister(told)
            with contextlib.suppress(OSError):
                told.send(str(os.waitstatus_to_exitcode(status)).encode())
            told.close()


def _be_child(request: Request, data: int) -> None:
    """Run the worker's part in the forked process and leave without touching what the server owns."""
    status = 1
    try:
        sandbox.die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        job.main(request, data)
        status = 0
    except BrokenPipeError:
        status = 0  # the reader has had enough
    except MemoryError:
        status = MEMORY_EXIT
    except BaseException:  # noqa: BLE001 - whatever it is, the server's code must not go on in the worker
        traceback.print_exc()
    finally:
        os._exit(status)


MEMORY_EXIT = 3
"""Exit code of a worker that met its memory limit in Python rather than by a signal."""


def serve(descriptor: int, *, no_network: bool) -> None:
    """Serve until the other end of the socket is closed.

    Args:
        descriptor: Of the socket.
        no_network: Whether this process has left the network.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it lets us go by closing the socket
    with contextlib.suppress(ConnectionError):  # the other end may go at any moment, even before we have said hello
        _Server(socket.socket(fileno=descriptor), no_network=no_network).run()
