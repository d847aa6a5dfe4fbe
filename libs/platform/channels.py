"""Who is told what became of batches: the channels that the settings choose."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from libs.models import Event, ServiceUnavailable
from libs.models.settings import Settings

if TYPE_CHECKING:
    from libs.notify import Channel
    from libs.notify.http import Endpoint
    from libs.notify.mail import MailServer

CHOOSING = ("spatial_etl_notify_webhook", "spatial_etl_notify_smtp", "spatial_etl_notify_command", "spatial_etl_openlineage")
"""The settings that choose a channel each. Where none is set, nobody is told."""

_MAIL = {"smtp": ("starttls", 587), "smtps": ("tls", 465), "smtp+plain": ("none", 25)}
"""Scheme to the way of encryption and the usual port."""


def open_channels(settings: Settings) -> "tuple[Channel, ...]":
    """The channels that the settings choose. Nothing is connected yet.

    Raises:
        ServiceUnavailable: when a setting makes no sense, naming it.
    """
    found: list[Channel] = []
    events = _events(settings)
    if settings.spatial_etl_notify_webhook is not None:
        from libs.notify.webhook import Webhook

        token = settings.spatial_etl_notify_webhook_token
        found.append(Webhook(_endpoint(settings.spatial_etl_notify_webhook.get_secret_value(), token, Webhook.setting), events))
    if settings.spatial_etl_notify_smtp is not None:
        found.append(_mail(settings, settings.spatial_etl_notify_smtp.get_secret_value(), events))
    if settings.spatial_etl_notify_command is not None:
        from libs.notify.command import Command

        secrets = {name.upper() for name, value in settings if isinstance(value, SecretStr)}
        try:
            arguments = shlex.split(settings.spatial_etl_notify_command)
        except ValueError as error:
            raise _wrong(f"{error}.", Command.setting) from None
        if not arguments:
            raise _wrong("it is empty.", Command.setting)
        found.append(Command(arguments, events, secrets))
    if settings.spatial_etl_openlineage is not None:
        found.append(_openlineage(settings, settings.spatial_etl_openlineage))
    return tuple(found)


def _events(settings: Settings) -> frozenset[Event]:
    names = {name.strip().lower() for name in settings.spatial_etl_notify_on.split(",") if name.strip()}
    if unknown := sorted(names - set(Event)):
        raise _wrong(f"there is no event {unknown[0]!r}; there are {', '.join(Event)}.", "SPATIAL_ETL_NOTIFY_ON")
    return frozenset(map(Event, names))


def _endpoint(url: str, token: SecretStr | None, setting: str) -> "Endpoint":
    from libs.notify.http import Endpoint

    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _wrong("it must begin with http:// or https:// and name a host.", setting)
    if parts.username is not None:
        raise _wrong(f"take name and password out of the address; {setting}_TOKEN holds a bearer token.", setting)
    return Endpoint(url, token.get_secret_value() if token else None)


def _mail(settings: Settings, url: str, events: frozenset[Event]) -> "Channel":
    from libs.notify.mail import Mail, is_address

    server = _mail_server(url)
    sender = settings.spatial_etl_notify_from
    if sender is None or not is_address(sender):
        raise _wrong("it must be the address that mails come from.", "SPATIAL_ETL_NOTIFY_FROM")
    recipients = [each.strip() for each in settings.spatial_etl_notify_to.split(",") if each.strip()]
    if wrong := [each for each in recipients if not is_address(each)]:
        raise _wrong(f"{wrong[0]!r} is no plain mail address.", "SPATIAL_ETL_NOTIFY_TO")
    domains = frozenset(each.strip().lower() for each in settings.spatial_etl_notify_domains.split(",") if each.strip())
    if not recipients and not domains:
        raise _wrong(
            "with SPATIAL_ETL_NOTIFY_SMTP, say who gets the mails.", "SPATIAL_ETL_NOTIFY_TO and SPATIAL_ETL_NOTIFY_DOMAINS"
        )
    return Mail(server, sender, recipients, domains, events, settings.spatial_etl_notify_templates)


def _mail_server(url: str) -> "MailServer":
    from libs.notify.mail import Mail, MailServer

    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise _wrong("its port is no number.", Mail.setting) from None
    if parts.scheme not in _MAIL or not parts.hostname:
        raise _wrong(f"it must be {', '.join(f'{scheme}://' for scheme in _MAIL)} and a host.", Mail.setting)
    tls, usual = _MAIL[parts.scheme]
    if tls == "none" and parts.username is not None:
        raise _wrong("smtp+plain:// would send the password in the clear; take smtp:// or smtps://.", Mail.setting)
    user, password = (unquote(value) if value is not None else None for value in (parts.username, parts.password))
    if not all(value.isascii() for value in (user or "", password or "")):
        raise _wrong(
            "user and password may have ASCII characters only: SMTP's usual ways to log in send no others.", Mail.setting
        )
    return MailServer(parts.hostname, port or usual, tls, user, password)


def _openlineage(settings: Settings, place: str) -> "Channel":
    from libs.notify.openlineage import Bucket, EventEndpoint, EventFolder, OpenLineage, Sink

    def bucket(name: str) -> Bucket:
        if settings.minio_endpoint is not None:
            return Bucket(name, f"s3://{name}")
        return Bucket(name, "file", f"{(settings.spatial_etl_home / name).resolve()}/")

    sink: Sink
    if "://" in place:
        sink = EventEndpoint(_endpoint(place, settings.spatial_etl_openlineage_token, OpenLineage.setting))
    else:
        sink = EventFolder(Path(place))
    buckets = bucket(settings.minio_landing_bucket), bucket(settings.minio_lake_bucket)
    return OpenLineage(sink, settings.spatial_etl_openlineage_namespace, *buckets)


def _wrong(message: str, setting: str) -> ServiceUnavailable:
    return ServiceUnavailable("the notifications", message, setting)
