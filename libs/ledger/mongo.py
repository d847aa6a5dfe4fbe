"""The document store on MongoDB, or another server of its protocol. Imported where it is chosen: its driver takes a while."""

import atexit
import random
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from itertools import groupby
from typing import Any, TypeVar
from urllib.parse import unquote_plus

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    CursorNotFound,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.synchronous import monitor
from pymongo.write_concern import WriteConcern

from libs.ledger.encoding import from_bson, to_bson
from libs.ledger.migrations import MIGRATIONS, migrate
from libs.ledger.store import GROUP, ORDERED_BY, Document, DocumentTooLarge, groups
from libs.models import DamagedDocument, ServiceUnavailable

SETTING = "MONGO_CONNECTION_STRING"

_FIRST_PATIENCE = 8.0
"""Seconds to wait for a server that has not answered yet: it may be starting, or the setting may be wrong."""

_PATIENCE = 60.0
"""Seconds to wait for a server that has answered before: it is being started again, or another is elected."""

_LONGEST_PAUSE = 2.0

_MAX_BYTES = 16 * 1024 * 1024 - 16 * 1024
"""Of one document: what the protocol allows, less some room for the server's own."""

_HIGHEST = "\U0010ffff"
"""Comes after every character that an ``_id`` may hold."""

_DUPLICATE, _FORBIDDEN, _FULL, _REFUSED, _UNKNOWN_COMMAND, _WRONG_NAME = 11000, 13, 14031, 18, 59, 73
_SQL_REFUSED, _SQL_FORBIDDEN, _SQL_FULL = "(SQLSTATE 28", "(SQLSTATE 42501)", "(SQLSTATE 53100)"
"""The same from a server on top of PostgreSQL, which gives them a code that would pass."""
_PASSING = {1, 6, 7, 50, 64, 89, 91, 112, 134, 189, 202, 262, 9001, 10107, 11600, 11602, 13435, 13436}
"""Codes of errors that pass: a server that shuts down, starts or is being elected. 1 is what servers on top of another database
say when that one is gone."""

# Its driver would hold up the end of every command, for half a second at most: its threads look no more often whether they are to
# end. They are daemons, and close() has told them.
atexit.unregister(monitor._shutdown_resources)  # noqa: SLF001

_T = TypeVar("_T")
_Documents = Collection[dict[str, Any]]


class MongoStore:
    """A database on a server.

    Nothing but inserts under an ``_id`` is relied upon. A server that goes away and comes back is waited for: reads are repeated,
    and an insert whose answer was lost is repeated and recognised (see :meth:`insert`).

    Args:
        connection_string: ``mongodb://...``; its options are kept, but for those that durability hangs on.
        database: Name of the database.

    Attributes:
        migrated: The migrations that were missing when the store was opened, and have been made.
    """

    def __init__(self, connection_string: str, database: str) -> None:
        self._secret = _password(connection_string)
        self._hosts = _hosts(connection_string)
        self._name = "the ledger on MongoDB"
        self._patience = _FIRST_PATIENCE
        self._client = self._connected(connection_string)
        try:
            if database in {"", "admin", "local", "config"} or re.search(r"[^A-Za-z0-9_-]", database):
                name = f"{database!r} is no name for a database: take letters, digits, _ and -."
                raise ServiceUnavailable(self._name, name, "MONGO_DATABASE")  # noqa: TRY301 - closes the client
            self._patiently(lambda: self._client.admin.command("ping"))
            # By the driver's handshake: `hello` is a command that not every server knows.
            servers = self._client.topology_description.server_descriptions().values()
            replicated = any(server.server_type_name not in {"Standalone", "Unknown"} for server in servers)
            self._database = self._client.get_database(
                database,
                codec_options=CodecOptions(tz_aware=True, tzinfo=UTC),
                read_preference=ReadPreference.PRIMARY,
                # A server by itself has no majority; some refuse the question.
                read_concern=ReadConcern("majority") if replicated else ReadConcern(),
                write_concern=WriteConcern("majority", wtimeout=20_000, j=True),
            )
            self.migrated = self._patiently(lambda: migrate(self._database))
        except BaseException:
            self._client.close()
            raise
        self._patience = _PATIENCE

    def insert(self, collection: str, identity: str, document: Document) -> bool:
        """See :class:`~libs.ledger.store.DocumentStore`.

        The answer to an insert can be lost with the connection. It is made again then, and finds the ``_id`` taken: by itself, if
        what lies there is this document. The ledger's documents name their author and their moment, so that nobody else's is
        the same.
        """
        body = _body(identity, document)
        documents = self._database[collection]
        uncertain = False

        def attempt() -> bool:
            nonlocal uncertain
            try:
                documents.insert_one(body)
            except DuplicateKeyError:
                return uncertain and self._stored(documents, identity) == to_bson(document)
            except PyMongoError:
                uncertain = True
                raise
            return True

        return self._patiently(attempt)

    def insert_missing(self, documents: Iterable[tuple[str, str, Document]]) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        for collection, of_one in groupby(documents, key=lambda item: item[0]):
            for group in groups(of_one, GROUP):
                bodies = [(identity, _body(identity, document)) for _, identity, document in group]
                self._patiently(lambda: _insert_free(self._database[collection], bodies))  # noqa: B023

    def insert_new(self, collection: str, documents: Mapping[str, Document]) -> set[str]:
        """See :class:`~libs.ledger.store.DocumentStore`. What was taken after an answer was lost is looked at, as in insert.

        Unordered: FerretDB goes on behind an error in an ordered insert of more than a hundred documents.
        """
        won: set[str] = set()
        for items in groups(documents.items(), GROUP):
            group = [(identity, _body(identity, document)) for identity, document in items]
            uncertain = False

            def attempt() -> set[str]:
                nonlocal uncertain
                try:
                    return _insert_free(self._database[collection], group)  # noqa: B023
                except PyMongoError:
                    uncertain = True
                    raise

            free = self._patiently(attempt)
            taken = [identity for identity, _ in group if identity not in free]
            won |= free | {each for each in taken if uncertain and self.get(collection, each) == documents[each]}
        return won

    def check_size(self, document: Document) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        _body("", document)

    def remove(self, collection: str, identities: Iterable[str]) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        for identity in identities:
            self._patiently(lambda: self._database[collection].delete_one({"_id": identity}))  # noqa: B023

    def touch(self, collection: str, identity: str, fields: Document) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        change = {"$set": to_bson(fields)}
        self._patiently(lambda: self._database[collection].update_one({"_id": identity}, change))

    def get(self, collection: str, identity: str) -> Document | None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        found = self._patiently(lambda: self._database[collection].find_one({"_id": identity}))
        return None if found is None else _split(collection, found)[1]

    def ids(self, collection: str, prefix: str = "") -> Iterator[str]:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        found = self._stream(collection, _beginning(prefix), [("_id", 1)], projection={"_id": 1})
        return (document["_id"] for document in found)

    def find(
        self,
        collection: str,
        *,
        prefix: str = "",
        where: Mapping[str, str] | None = None,
        latest: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[str, Document]]:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        criteria = {**_beginning(prefix), **(where or {})}
        order = [(ORDERED_BY[collection], -1), ("_id", -1)] if latest else [("_id", 1)]
        return (_split(collection, stored) for stored in self._stream(collection, criteria, order, limit=limit))

    @property
    def one_machine(self) -> bool:
        """No: whoever reaches the server can."""
        return False

    @property
    def place(self) -> str:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        return f"the database {self.database} on MongoDB at {self._hosts}"

    def describe(self) -> str:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        about = self._patiently(lambda: self._client.admin.command("buildInfo"))
        version = f"MongoDB {about['version']}"
        if "ferretdbVersion" in about:
            version = f"FerretDB, which speaks as {version}"
        made = sum(1 for _ in self.ids("migrations"))
        return f"{version}, database {self._database.name}, {made} of {len(MIGRATIONS)} migrations made"

    def close(self) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        self._client.close()

    @property
    def database(self) -> str:
        """Name of the database."""
        return str(self._database.name)

    def command(self, command: str, value: Any = 1, **options: Any) -> Document | None:
        """Run an administrator's command on the database. None when the server does not know it."""
        try:
            return dict(self._database.command(command, value, **options))
        except OperationFailure as error:
            if error.code == _UNKNOWN_COMMAND:
                return None
            raise self._unavailable(error) from error

    def _connected(self, connection_string: str) -> MongoClient[dict[str, Any]]:
        try:
            if not connection_string.startswith(("mongodb://", "mongodb+srv://")):
                raise ValueError  # noqa: TRY301 - the driver would take whatever it is for a host
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # an option that is misspelt would be ignored
                return MongoClient(
                    connection_string,
                    appname="spatial-etl",
                    connectTimeoutMS=5_000,
                    retryWrites=False,  # see insert: this driver's own retries would hide from us that an answer was lost
                    serverSelectionTimeoutMS=2_000,
                    socketTimeoutMS=30_000,
                )
        except (PyMongoError, ValueError, TypeError, UserWarning):
            # The driver's own words may quote a password that it took for something else.
            raise ServiceUnavailable(
                self._name,
                "the connection string is not understood. It must look like mongodb://user:password@host:port/?option=value, "
                "with all of :/?#[]@% in user and password percent-encoded.",
                SETTING,
            ) from None

    def _stored(self, documents: _Documents, identity: str) -> Document:
        found = documents.find_one({"_id": identity})
        if found is None:  # taken, but not by a majority yet: it might still be undone
            raise AutoReconnect("an insert waits for a majority of the servers")
        del found["_id"]
        return found

    def _stream(
        self,
        collection: str,
        criteria: dict[str, Any],
        order: Sequence[tuple[str, int]],
        limit: int | None = None,
        projection: dict[str, int] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Documents in order. Goes on behind the last one when the server had to be waited for."""
        if limit == 0:
            return
        names, backwards = [name for name, _ in order], order[0][1] < 0
        last: list[Any] | None = None
        cursor: Cursor[dict[str, Any]] | None = None

        def following() -> dict[str, Any] | None:
            nonlocal cursor, last
            try:
                if cursor is None:
                    rest = [] if last is None else [{names[0]: {"$lte" if backwards else "$gte": last[0]}}]
                    both = {"$and": [criteria, *rest]} if rest else criteria
                    cursor = self._database[collection].find(both, projection, sort=order, limit=0 if last else limit or 0)
                for document in cursor:
                    place = [document[name] for name in names]
                    if last is None or (place < last if backwards else place > last):
                        last = place
                        return document
            except PyMongoError:
                cursor = None
                raise
            return None

        count = 0
        try:
            while (document := self._patiently(following)) is not None:
                yield document
                count += 1
                if count == limit:
                    return
        finally:
            if cursor is not None:
                cursor.close()

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        """Do something that may be done again, until the server has answered or for too long has not."""
        deadline, pause = time.monotonic() + self._patience, 0.05
        while True:
            try:
                return attempt()
            except PyMongoError as error:
                if not _passes(error) or time.monotonic() + pause > deadline:
                    raise self._unavailable(error) from error
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that not all come at once
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _unavailable(self, error: PyMongoError) -> ServiceUnavailable:
        text, code = _text(error), getattr(error, "code", None)
        if self._secret:
            text = text.replace(self._secret, "********")
        if code == _REFUSED or _SQL_REFUSED in text:
            return ServiceUnavailable(self._name, f"the server does not accept the user or the password: {text}.", SETTING)
        if code == _FORBIDDEN or _SQL_FORBIDDEN in text:
            text = f"the user lacks a right: {text}. `spatial-etl admin init` makes roles and accounts that have what is needed."
            return ServiceUnavailable(self._name, text, SETTING)
        if code == _FULL or _SQL_FULL in text:
            return ServiceUnavailable(self._name, f"its disk is full: {text}.", f"the disk of the server that {SETTING} names")
        if code == _WRONG_NAME:
            return ServiceUnavailable(self._name, f"{text}.", "MONGO_DATABASE")
        if isinstance(error, ConnectionFailure):
            return ServiceUnavailable(self._name, f"it cannot be reached: {text}.", SETTING)
        return ServiceUnavailable(self._name, f"{text}.", SETTING)


def _body(identity: str, document: Document) -> RawBSONDocument:
    """A document as it is sent."""
    try:
        encoded = bson.encode({"_id": identity, **to_bson(document)})
    except BSONError as error:
        raise ValueError(str(error)) from error
    if len(encoded) > _MAX_BYTES:
        raise DocumentTooLarge(len(encoded) - len(identity), _MAX_BYTES)  # of the document, which has no ``_id``
    return RawBSONDocument(encoded)


def _split(collection: str, stored: dict[str, Any]) -> tuple[str, Document]:
    identity = stored.pop("_id")
    try:
        return identity, from_bson(stored)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise DamagedDocument(f"the record {collection}/{identity}", str(error)) from error


def _insert_free(documents: _Documents, bodies: list[tuple[str, RawBSONDocument]]) -> set[str]:
    """Insert documents whose ``_id`` is free. Returns these ``_id``s."""
    try:
        documents.insert_many([body for _, body in bodies], ordered=False)
    except BulkWriteError as error:
        failed = error.details.get("writeErrors", ())
        if not failed or any(each["code"] != _DUPLICATE for each in failed):
            raise
        taken = {each["index"] for each in failed}
        return {identity for position, (identity, _) in enumerate(bodies) if position not in taken}
    return {identity for identity, _ in bodies}


def _beginning(prefix: str) -> dict[str, Any]:
    return {"_id": {"$gte": prefix, "$lt": prefix + _HIGHEST}} if prefix else {}


def _passes(error: PyMongoError) -> bool:
    if isinstance(error, BulkWriteError):
        return not error.details.get("writeErrors")  # only the majority's word is missing
    if isinstance(error, OperationFailure):
        if any(state in str(error) for state in (_SQL_REFUSED, _SQL_FORBIDDEN, _SQL_FULL)):
            return False
        return isinstance(error, WTimeoutError | CursorNotFound) or error.code in _PASSING
    return isinstance(error, ConnectionFailure)


def _text(error: PyMongoError) -> str:
    """What an error says, without the driver's and the server's account of themselves."""
    if isinstance(error, BulkWriteError):
        text = error.details["writeErrors"][0]["errmsg"] if error.details.get("writeErrors") else "no majority of the servers"
    elif isinstance(error, OperationFailure):
        text = str((error.details or {}).get("errmsg") or error).partition(", full error:")[0]
    else:
        text = re.split(r" \(configured timeouts|, Timeout:", str(error))[0]
    text = re.sub(r"^(\[[^\]]*\] )+", "", text)
    return text.splitlines()[0].rstrip(". ") if text else type(error).__name__


def _password(connection_string: str) -> str:
    user, at, _ = connection_string.partition("://")[2].rpartition("@")
    return unquote_plus(user.partition(":")[2]) if at else ""


def _hosts(connection_string: str) -> str:
    return re.split(r"[/?]", connection_string.partition("://")[2])[0].rpartition("@")[2]
