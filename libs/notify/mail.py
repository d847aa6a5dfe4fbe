"""A mail for each notification, by SMTP."""

import base64
import re
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from libs.models import Event
from libs.notify import templates
from libs.notify.channel import TIME_LIMIT, Message, NotSent, shown

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,253}")
"""Addresses that are written to: no quoted names, no comments, nothing that could end a line."""


def is_address(text: str) -> bool:
    """Whether a text is one plain mail address."""
    return _ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True)
class MailServer:
    """An SMTP server.

    Attributes:
        tls: ``tls`` from the beginning, ``starttls`` before anything is said, or ``none``.
    """

    host: str
    port: int
    tls: str
    user: str | None = None
    password: str | None = None

    @property
    def place(self) -> str:
        """Where it is, without a secret."""
        return f"{self.host}:{self.port}"


class Mail:
    """Writes to the operator's addresses, and to the contact of the delivery where the operator allows its domain.

    Without that list, whoever delivers could have the platform write to anybody.

    Args:
        server: Which sends it on.
        sender: The address that it comes from.
        recipients: Addresses that get every mail.
        domains: Of contacts that are written to, in lower case.
        events: What to tell.
        folder: With templates of the operator's own, if there is one.
    """

    name, setting, of_runs = "mail", "SPATIAL_ETL_NOTIFY_SMTP", False

    def __init__(
        self,
        server: MailServer,
        sender: str,
        recipients: Sequence[str],
        domains: frozenset[str],
        events: frozenset[Event],
        folder: Path | None,
    ) -> None:
        self._server, self._sender, self._recipients = server, sender, tuple(recipients)
        self._domains, self.events, self._folder = domains, events, folder

    def send(self, message: Message) -> str:
        """See :class:`~libs.notify.Channel`."""
        to = self._addresses(message)
        if not to:
            return "Nobody to write to: the delivery names no contact in the domains of SPATIAL_ETL_NOTIFY_DOMAINS."
        mail, said = self._mail(message, to)
        with self._connected() as smtp:
            try:
                refused = smtp.send_message(mail, self._sender, to)
            except smtplib.SMTPRecipientsRefused as error:
                raise NotSent(f"{self._server.place} accepts none of {', '.join(error.recipients)}.", down=False) from None
        remarks = [said] if said else []
        remarks += [f"{self._server.place} did not accept {', '.join(refused)}."] if refused else []
        return " ".join(remarks)

    def check(self) -> str:
        """See :class:`~libs.notify.Channel`."""
        if self._folder is not None and (said := templates.wrong(self._folder)):
            raise NotSent(f"{said[0]} The default is used instead.", down=False)
        with self._connected() as smtp:
            smtp.noop()
        return f"{self._server.place} answers" + (" and knows the account" if self._server.user else "")

    def _addresses(self, message: Message) -> list[str]:
        contact = (message.contact or "").strip()
        allowed = is_address(contact) and contact.rpartition("@")[2].lower() in self._domains
        return list(dict.fromkeys([*self._recipients, *([contact] if allowed else [])]))

    def _mail(self, message: Message, to: Sequence[str]) -> tuple[EmailMessage, str]:
        told = message.notification
        subject, body, said = templates.render(self._folder, message)
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = subject, self._sender, ", ".join(to)
        mail["Date"] = format_datetime(told.decided_at)
        mail["Message-ID"] = f"<{told.notice_id}@{self._sender.rpartition('@')[2]}>"  # the same in all tries
        mail["Auto-Submitted"] = "auto-generated"  # nobody's absence note comes back
        mail["X-Spatial-ETL-Event"] = told.event
        mail.set_content(body)
        return mail, said

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        server = self._server
        context = ssl.create_default_context()
        try:
            smtp = (
                smtplib.SMTP_SSL(server.host, server.port, timeout=TIME_LIMIT, context=context)
                if server.tls == "tls"
                else smtplib.SMTP(server.host, server.port, timeout=TIME_LIMIT)
            )
            with suppress_at_end(smtp):
                if server.tls == "starttls":
                    smtp.starttls(context=context)
                if server.user is not None:
                    smtp.login(server.user, server.password or "")
                yield smtp
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
            said = _without(said, server.password)
            raise NotSent(f"{server.place} said {error.smtp_code}: {shown(said)[:200]}.", down=not _about_it(error)) from None
        except smtplib.SMTPException as error:
            raise NotSent(f"{server.place}: {shown(error)[:200]}.", down=True) from None
        except ssl.SSLCertVerificationError as error:
            why = f"its certificate is not trusted ({error.verify_message.rstrip('.')})"
            raise NotSent(f"{server.place}: {why}. SSL_CERT_FILE names an authority of your own.", down=True) from None
        except OSError as error:
            raise NotSent(f"{server.place} does not answer: {error.strerror or error}.", down=True) from None


@contextmanager
def suppress_at_end(smtp: smtplib.SMTP) -> Iterator[None]:
    """Say goodbye. A server that is gone by then has taken the mail all the same."""
    try:
        yield
    finally:
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _without(said: str, password: str | None) -> str:
    """What a server says, without the password: some quote the line that they do not like, as it was sent."""
    if not password:
        return said
    said = said.replace(password, "********")
    for word in re.findall(r"[A-Za-z0-9+/]{4,}={0,2}", said):
        with suppress(ValueError):
            if password.encode() in base64.b64decode(word, validate=True):
                said = said.replace(word, "********")
    return said


def _about_it(error: smtplib.SMTPResponseException) -> bool:
    """Whether the server refuses this mail, and not its sender or every mail: the others are sent then."""
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500  # noqa: PLR2004 - refused for good
