"""Preparing MongoDB, or another server of its protocol: indexes, roles, accounts."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus, urlsplit, urlunsplit

from libs.ledger.migrations import MIGRATIONS
from libs.ledger.mongo import MongoStore
from libs.models.settings import Settings
from services.administration import Accounts, SetupStep, new_password

ROLES = json.loads(Path(__file__).with_name("roles.json").read_text(encoding="utf-8"))
"""Name of a role to what it may do, by collection; an empty name stands for all of them."""

_NO_INDEXES = "not made: this server does not know how, so listings take longer"
_NO_ROLES = "not made: this server has no roles: whoever may connect may do everything"
_WORKERS = {"pipeline", "gc"}
"""Roles that cannot do without the ledger."""


def prepare(settings: Settings, accounts: Accounts | None) -> Iterator[SetupStep]:
    """Make what is missing on the server that the settings name; nothing when they name none."""
    if settings.mongo_connection_string is None:
        return
    uri, database = settings.mongo_connection_string.get_secret_value(), settings.mongo_database
    store = MongoStore(uri, database)
    try:
        made = set(store.ids("migrations"))
        for name in MIGRATIONS:
            done = "created" if name in store.migrated else "already there" if name in made else _NO_INDEXES
            yield SetupStep("MongoDB", f"database {database}, {name}", done)
        yield from _roles(store, uri, accounts)
    finally:
        store.close()


def _roles(store: MongoStore, uri: str, accounts: Accounts | None) -> Iterator[SetupStep]:
    for role, rights in ROLES.items():
        name = f"spatial_etl_{role}"
        known = store.command("rolesInfo", name)
        if known is None:
            yield _without_roles(store, uri, accounts, role)
            continue
        privileges = [
            {"resource": {"db": store.database, "collection": collection}, "actions": actions}
            for collection, actions in rights.items()
        ]
        command, done = ("updateRole", "updated") if known.get("roles") else ("createRole", "created")
        if store.command(command, name, privileges=privileges, roles=[]) is None:
            yield _without_roles(store, uri, accounts, role)
            continue
        yield SetupStep("MongoDB", f"role {name}", done)
        if accounts is not None:
            yield _account(store, uri, accounts, role)


def _without_roles(store: MongoStore, uri: str, accounts: Accounts | None, role: str) -> SetupStep:
    """On a server without roles, those who work with the ledger get to it as the settings do."""
    done = _NO_ROLES
    if accounts is not None and role in _WORKERS:
        accounts.add(role, {"MONGO_CONNECTION_STRING": uri, "MONGO_DATABASE": store.database})
        done += f", and {accounts.path(role)} holds the MONGO_CONNECTION_STRING that you gave"
    return SetupStep("MongoDB", f"role spatial_etl_{role}", done)


def _account(store: MongoStore, uri: str, accounts: Accounts, role: str) -> SetupStep:
    """An account of a role, whose password stands in the file of the role."""
    name = f"spatial_etl_{role}"
    known = urlsplit(accounts.settings(role).get("MONGO_CONNECTION_STRING", "")).password
    password = known or new_password()
    exists = (store.command("usersInfo", name) or {}).get("users")
    command, done = ("updateUser", "updated") if exists else ("createUser", "created")
    store.command(command, name, pwd=password, roles=[name])
    parts = urlsplit(uri)
    hosts = parts.netloc.rpartition("@")[2]
    options = "&".join(
        [
            *(each for each in parts.query.split("&") if each and not each.lower().startswith("auth")),
            f"authSource={store.database}",
        ]
    )
    reached = urlunsplit((parts.scheme, f"{quote_plus(name)}:{password}@{hosts}", "/", options, ""))
    accounts.add(role, {"MONGO_CONNECTION_STRING": reached, "MONGO_DATABASE": store.database})
    return SetupStep("MongoDB", f"account {name}", done)
