"""What PostgreSQL says, in the language that it was set up in, becomes a message with the setting to change."""

import adbc_driver_manager as adbc
import pytest

from libs.compute.postgis.connection import Server, StatementFailed, no_connection, plain
from libs.models import ServiceUnavailable

SERVER = Server("127.0.0.1", 5432, "etl_loader", "geheim", "etl")
REFUSED = 'IO: [libpq] Failed to connect: connection to server at "127.0.0.1", port 5432 failed: '


def said(text: str, state: str | None = None) -> adbc.Error:
    return adbc.OperationalError(text, status_code=adbc.AdbcStatusCode.IO, sqlstate=state)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ('FATAL:  password authentication failed for user "etl_loader"', "POSTGRES_USER and POSTGRES_PASSWORD"),
        ("FATAL:  Passwort-Authentifizierung für Benutzer »etl_loader« fehlgeschlagen", "POSTGRES_USER and POSTGRES_PASSWORD"),
        ('FATAL:  role "etl_loader" does not exist', "POSTGRES_USER and POSTGRES_PASSWORD"),
        ("FATAL:  la base de données « etl » n'existe pas", "POSTGRES_DB; 'spatial-etl admin init' creates it"),
        ("FATAL:  Datenbank »etl« existiert nicht", "POSTGRES_DB; 'spatial-etl admin init' creates it"),
        (
            "FATAL:  kein pg_hba.conf-Eintrag für Host »10.0.0.1«, Benutzer »etl_loader«, Datenbank »etl«, keine Verschlüsselung",
            "POSTGRES_USER, POSTGRES_DB, and the server's pg_hba.conf",
        ),
        ("fe_sendauth: no password supplied", "POSTGRES_PASSWORD"),
        (
            "FATAL:  sorry, too many clients already",
            "max_connections of the server that POSTGRES_HOST names, or run fewer workers",
        ),
        (
            "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
            "POSTGRES_HOST and POSTGRES_PORT, and that the server runs",
        ),
    ],
)
def test_why_there_is_no_session(text: str, setting: str) -> None:
    message = str(no_connection(said(f"{REFUSED}{text}\n"), SERVER))
    words = text.partition("\n")[0].removeprefix("FATAL:  ")
    assert message == f"PostGIS: no connection: {words}. Check {setting}."


@pytest.mark.parametrize("severity", ["ERROR", "FEHLER", "ERREUR", "ОШИБКА", "エラー"])
def test_words_of_the_server_stand_without_those_of_the_driver(severity: str) -> None:
    copied = f"INVALID_DATA: [libpq] Failed to execute COPY statement: PGRES_FATAL_ERROR {severity}:  so nicht\n"
    failed = plain(said(f"{copied}CONTEXT:  COPY raw_data, Zeile 2, Spalte a\n. SQLSTATE: 22021", "22021"))
    assert isinstance(failed, StatementFailed)
    assert (failed.state, str(failed), failed.row) == ("22021", "so nicht", 1)
    queried = (
        f"INVALID_ARGUMENT: [libpq] Failed to execute query 'SELECT\n 1/0': {severity}:  Division durch Null\n. SQLSTATE: 22012"
    )
    assert str(plain(said(queried, "22012"))) == "Division durch Null"
    timed_out = plain(
        said(f"CANCELLED: [libpq] Failed to execute query 'SELECT 1': {severity}:  zu spät\n. SQLSTATE: 57014", "57014")
    )
    assert str(timed_out) == "PostGIS: zu spät. Check POSTGRES_STATEMENT_SECONDS."


def test_a_session_that_is_lost() -> None:
    lost = plain(
        said("IO: [libpq] Failed to execute query 'SELECT 1': server closed the connection unexpectedly\n\tThis probably means\n")
    )
    assert isinstance(lost, ServiceUnavailable)
    assert "the connection was lost" in str(lost)
    assert "POSTGRES_HOST" in str(lost)
