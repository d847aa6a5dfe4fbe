"""Receivers of notifications on loopback: a web server, a mail server."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Got(NamedTuple):
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Web(ThreadingHTTPServer):
    """Keeps what it gets, and answers with a status."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.got: list[Got] = []
        self.status = 204
        self.url = f"http://127.0.0.1:{self.server_port}/hook/s3cret"


class _Request(BaseHTTPRequestHandler):
    server: Web

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(Got(self.path, dict(self.headers), body))
        self._answer(self.server.status)

    def do_HEAD(self) -> None:
        self._answer(405)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Post(socketserver.ThreadingTCPServer):
    """A mail server: keeps envelopes and mails, and refuses recipients that begin with ``no``."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[tuple[list[str], str]] = []
        self.url = f"smtp+plain://127.0.0.1:{self.server_address[1]}"


class _Session(socketserver.StreamRequestHandler):
    server: Post

    def handle(self) -> None:
        to: list[str] = []
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.split(b":")[0].split()[0].upper() if line.strip() else b""
            if word == b"RCPT":
                address = line.decode().partition("<")[2].partition(">")[0]
                if address.startswith("no"):
                    self.wfile.write(b"550 no such person\r\n")
                    continue
                to.append(address)
            elif word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                mail = b""
                while (part := self.rfile.readline()) not in {b".\r\n", b""}:
                    mail += part
                self.server.mails.append((to, mail.decode()))
                to = []
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 well\r\n")


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    """Has a server answer while the context lasts."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
