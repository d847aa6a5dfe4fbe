"""Receivers of notifications on loopback: a web server, a mail server."""

import base64
import socketserver
import ssl
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
    """A mail server: keeps envelopes and mails, and refuses recipients that begin with ``no``.

    Args:
        tls: Demands encryption: from the beginning, or by STARTTLS before anything else.
        at_once: From the beginning.
        account: User and password, which it demands, and only when encrypted.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, tls: ssl.SSLContext | None = None, *, at_once: bool = False, account: tuple[str, str] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[tuple[list[str], str]] = []
        self.tls, self.at_once, self.account = tls, at_once, account
        self.in_the_clear: list[bytes] = []
        """What was said to it before the line was encrypted."""
        self.port = self.server_address[1]
        self.url = f"smtp+plain://127.0.0.1:{self.port}"

    def handle_error(self, *_: Any) -> None:
        """A client that does not trust the certificate hangs up."""


class _Session(socketserver.StreamRequestHandler):
    server: Post
    encrypted = False
    known = False

    def finish(self) -> None:
        super().finish()
        if self.encrypted:
            self.connection.close()

    def encrypt(self) -> None:
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
        self.encrypted = True

    def refused(self, word: bytes, line: bytes) -> bytes:
        """Why something is not done now."""
        if not self.encrypted:
            self.server.in_the_clear.append(line)
        if word in {b"EHLO", b"HELO", b"NOOP", b"QUIT", b"RSET", b"STARTTLS"}:
            return b""
        if self.server.tls and not self.encrypted:
            return b"530 Must issue a STARTTLS command first\r\n"
        if self.server.account and not self.known and word != b"AUTH":
            return b"530 Authentication required\r\n"
        return b""

    def log_in(self, line: bytes) -> bytes:
        sent = line.split()[2] if len(line.split()) > 2 else b""
        self.known = base64.b64decode(sent).decode().split("\0")[1:] == [*self.server.account]
        return b"235 welcome\r\n" if self.known else b"535 5.7.8 not with AUTH PLAIN " + sent + b"\r\n"

    def capabilities(self) -> bytes:
        can = [b"STARTTLS"] if self.server.tls and not self.encrypted else []
        can += [b"AUTH PLAIN"] if self.server.account and self.encrypted else []
        lines = [b"here", *can]
        return b"".join(b"250-" + each + b"\r\n" for each in lines[:-1]) + b"250 " + lines[-1] + b"\r\n"

    def answer(self, word: bytes, line: bytes) -> bytes:
        """What it says to a command."""
        if why := self.refused(word, line):
            return why
        if word == b"EHLO":
            return self.capabilities()
        if word == b"AUTH":
            return self.log_in(line)
        if word == b"RCPT":
            address = line.decode().partition("<")[2].partition(">")[0]
            if address.startswith("no"):
                return b"550 no such person\r\n"
            self.to.append(address)
        if word == b"DATA":
            self.wfile.write(b"354 go on\r\n")
            mail = b""
            while (part := self.rfile.readline()) not in {b".\r\n", b""}:
                mail += part
            self.server.mails.append((self.to, mail.decode()))
            self.to = []
        return {b"QUIT": b"221 bye\r\n", b"STARTTLS": b"220 go on\r\n"}.get(word, b"250 well\r\n")

    def handle(self) -> None:
        self.to: list[str] = []
        if self.server.at_once:
            self.encrypt()
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.split(b":")[0].split()[0].upper() if line.strip() else b""
            self.wfile.write(self.answer(word, line))
            if word == b"QUIT":
                return
            if word == b"STARTTLS":
                self.encrypt()


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    """Has a server answer while the context lasts."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
