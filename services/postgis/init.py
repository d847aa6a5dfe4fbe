"""Preparing PostGIS: the database, its extension, and an account that can make schemas in it and nothing else."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import replace

from libs.compute.postgis import require_postgresql
from libs.compute.postgis.connection import Connection, Server
from libs.models.settings import Settings
from libs.transformations import PostGis
from services.administration import Accounts, SetupStep, new_password

SERVICE = "PostGIS"
PIPELINE = "pipeline"
MAINTENANCE_DATABASE = "postgres"
_ROUNDS = 4096
_SQL = PostGis()


def prepare(settings: Settings, accounts: Accounts | None) -> Iterator[SetupStep]:
    """Make what is missing on the server that the settings name, as an administrator of it.

    Raises:
        ServiceUnavailable: when it cannot be reached, or refuses.
    """
    server = Server.of(settings)
    maintenance = Connection(replace(server, database=MAINTENANCE_DATABASE))
    try:
        require_postgresql(maintenance)
        found = maintenance.rows(f"SELECT FROM pg_database WHERE datname = {_SQL.text(server.database)}")
        if not found:
            maintenance.execute(f"CREATE DATABASE {_SQL.identifier(server.database)} ENCODING 'UTF8' TEMPLATE template0")
        yield _step(f"database {server.database}", bool(found))
    finally:
        maintenance.close()
    connection = Connection(server)
    try:
        yield _extension(connection)
        if accounts is not None:
            yield _account(connection, server, accounts)
    finally:
        connection.close()


def _extension(connection: Connection) -> SetupStep:
    found = bool(connection.rows("SELECT FROM pg_extension WHERE extname = 'postgis'"))
    if not found:
        connection.execute("CREATE EXTENSION postgis")
    return _step("extension postgis", found)


def _account(connection: Connection, server: Server, accounts: Accounts) -> SetupStep:
    """The pipeline's. It may add definitions of CRSs, never change one: what others rely on stays as it is."""
    name = accounts.settings(PIPELINE).get("POSTGRES_USER", f"{server.database}_{PIPELINE}")
    password = accounts.settings(PIPELINE).get("POSTGRES_PASSWORD")
    role = _SQL.identifier(name)
    found = bool(connection.rows(f"SELECT FROM pg_roles WHERE rolname = {_SQL.text(name)}"))
    if not found or password is None:
        password = password or new_password()
        verb = "ALTER" if found else "CREATE"
        rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        connection.execute(f"{verb} ROLE {role} {rights} PASSWORD {_SQL.text(_verifier(password))}")
        found = False
    connection.execute(f"GRANT CONNECT, CREATE ON DATABASE {_SQL.identifier(server.database)} TO {role}")
    ((place,),) = connection.rows("SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'postgis'")
    connection.execute(f"GRANT USAGE ON SCHEMA {place} TO {role}")
    connection.execute(f"GRANT SELECT, INSERT ON {place}.spatial_ref_sys TO {role}")
    reached = {"HOST": server.host, "PORT": str(server.port), "USER": name, "PASSWORD": password, "DB": server.database}
    accounts.add(PIPELINE, {f"POSTGRES_{key}": value for key, value in reached.items()})
    return _step(f"account {name}", found)


def _step(what: str, found: bool) -> SetupStep:
    return SetupStep(SERVICE, what, "already there" if found else "created")


def _verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803): sent instead of it, so that no log of the server can hold the password."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    keys = (base64.b64encode(part).decode() for part in (salt, stored, hmac.digest(salted, b"Server Key", "sha256")))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ROUNDS, *keys)
