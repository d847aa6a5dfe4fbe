"""A lake belongs to one ledger. Each carries the other's identity from their first use on, and no other pair is worked with.

Two ledgers on one lake count the same versions without knowing of each other: what one has recorded, the other takes for the rest
of a run that did not succeed. So each use case checks the pair here before it touches a lake.

The way to a pair has three steps: the ledger gets an id; the lake gets an id and its ledger's; the ledger records its lake.
Each is decided by one insert, or by one object that is created or not: of many that start at once, all end with the same pair,
and wherever one is killed, the next one goes on. A lake without identity, of an older release or out of a backup, is taken over
when all versions that lie in it are this ledger's.
"""

import logging
import uuid
from dataclasses import dataclass, replace
from datetime import timedelta

from libs.ledger import Ledger
from libs.models import LakeIdentity, LakeOfAnother, LedgerIdentity, Model, OwnLake, Reservation
from libs.models.settings import Settings
from libs.pipeline.build import release
from libs.storage import IDENTITY, DataLake, ObjectInfo, ObjectRefused

_LOG = logging.getLogger(__name__)

_RELOCATED = "lake relocated"
"""Action and subject of the audit log."""

_CLOCKS = timedelta(minutes=15)
"""By so much the clocks of a worker and of a store may differ: S3 answers nobody whose clock is further off."""


def placed(info: ObjectInfo, reservation: Reservation) -> bool:
    """Whether an object can be what a run placed under its reservation: it came after that, not before."""
    return info.modified > reservation.reserved_at - _CLOCKS


def require_own_lake(settings: Settings, lake: DataLake, ledger: Ledger, *, bind: bool) -> bool:
    """Make sure that a lake and a ledger belong together.

    Args:
        settings: That have chosen the two.
        lake: The lake.
        ledger: The ledger.
        bind: Make them a pair when neither belongs to another yet. Not for those who only read, or remove.

    Returns:
        Whether they are a pair; without ``bind`` they may still have to become one.

    Raises:
        LakeOfAnother: when they do not belong together, naming both.
        NewerRelease: when the ledger is one of a later release.
    """
    ledger.require_release()
    setting = _choosing(settings)
    pair = _look(lake, ledger, setting)
    if pair.found is None:
        _require_own_files(pair)
        if bind:
            lake_id = pair.bound.lake_id if pair.bound else str(uuid.uuid4())
            own = ledger.identify()
            ledger.note_format(release())
            lake.identify(
                LakeIdentity(lake_id=lake_id, ledger_id=own.ledger_id, ledger=ledger.store.place, bound_at=ledger.clock())
            )
            pair = _look(lake, ledger, setting)
    if pair.found is None:
        return False
    if pair.own is None or pair.found.ledger_id != pair.own.ledger_id:
        raise pair.refusal("it belongs to another ledger")
    bound = pair.bound
    if bound is None and bind:
        bound = ledger.bind(OwnLake(lake_id=pair.found.lake_id, place=lake.store.place, bound_at=ledger.clock()))
        if settings.lake.folder is None and settings.mongo_connection_string is None:
            said = "The lake in %s belongs to %s from now on: MONGO_CONNECTION_STRING is not set."
            _LOG.warning(said, lake.store.place, ledger.store.place)
    if bound is not None and bound.lake_id != pair.found.lake_id:
        raise replace(pair, bound=bound).refusal("this ledger has another lake")
    return bound is not None


class Relocated(Model):
    """What was changed after lake or ledger had been moved or renamed: before and now.

    Attributes:
        lake: The place that the ledger has for its lake.
        ledger: The place that the lake has for its ledger.
    """

    lake: tuple[str, str] | None = None
    ledger: tuple[str, str] | None = None


def relocate(settings: Settings, lake: DataLake, ledger: Ledger) -> Relocated:
    """Note where lake and ledger are now, for messages. No record of a version changes: those name files by their keys.

    Raises:
        LakeOfAnother: when they do not belong together.
    """
    if not require_own_lake(settings, lake, ledger, bind=False):
        return Relocated()
    found, (_, bound) = lake.identity(), ledger.identity()
    if found is None or bound is None:  # they were a pair a moment ago
        return Relocated()
    moved = next(ledger.activity(_RELOCATED, limit=1), None)
    known, now = (moved.details["place"] if moved else bound.place), lake.store.place
    if known != now:
        ledger.log(_RELOCATED, _RELOCATED, place=now, before=known)
    if found.ledger != ledger.store.place:
        lake.give_to(found.model_copy(update={"ledger": ledger.store.place}))
    return Relocated(
        lake=None if known == now else (known, now),
        ledger=None if found.ledger == ledger.store.place else (found.ledger, ledger.store.place),
    )


@dataclass(frozen=True)
class _Pair:
    """A lake and a ledger, and what each says of the other."""

    lake: DataLake
    ledger: Ledger
    setting: str
    own: LedgerIdentity | None
    bound: OwnLake | None
    found: LakeIdentity | None

    def refusal(self, why: str) -> LakeOfAnother:
        """That the two do not belong together: what both are, and what each says of the other."""
        place = self.ledger.store.place
        this_lake = f"is {self.found.lake_id} of the ledger {self.found.ledger_id} ({self.found.ledger})" if self.found else (
            "carries no identity"
        )  # fmt: skip
        this_ledger = f"is {self.own.ledger_id} ({place})" if self.own else f"is new ({place})"
        its_lake = f"; its lake is {self.bound.lake_id} ({self.bound.place})" if self.bound else ""
        message = f"{why}. The lake {this_lake}. The ledger that the settings name {this_ledger}{its_lake}. Nothing was changed."
        return LakeOfAnother(f"the data lake in {self.lake.store.place}", message, self.setting)


def _look(lake: DataLake, ledger: Ledger, setting: str) -> _Pair:
    own, bound = ledger.identity()
    try:
        return _Pair(lake, ledger, setting, own, bound, lake.identity())
    except ObjectRefused as error:
        raise _Pair(lake, ledger, setting, own, bound, None).refusal(
            f"{error} Make that object readable, or restore it from a backup"
        ) from error


def _require_own_files(pair: _Pair) -> None:
    """Refuse a lake without identity in which versions of others lie, or none of those that this ledger knows."""
    lying = [(info, prefix) for info in pair.lake.objects() if (prefix := pair.lake.prefix_of(info.key))]
    # Listed before the records: what is placed now is reserved already.
    reserved = {reservation.prefix: reservation for reservation in pair.ledger.reservations()}
    strange = [info.key for info, prefix in lying if prefix not in reserved or not placed(info, reserved[prefix])]
    if strange:
        raise pair.refusal(
            f"{len(strange):,} of {len(lying):,} files in it are unknown to this ledger, the first is {strange[0]!r}. If they "
            "are no other ledger's, but were copied there by hand, move them out of the lake"
        )
    if not lying and (pair.bound or any(True for _ in pair.ledger.store.ids("assets"))):
        raise pair.refusal(f"this ledger has a lake, but here lies none of its versions, nor {IDENTITY}")


def _choosing(settings: Settings) -> str:
    """The settings that choose lake and ledger; where only one of the two is on a server, the one that is probably missing."""
    if settings.lake.folder is None and settings.mongo_connection_string is None:
        return "MONGO_CONNECTION_STRING: it is not set, so that the ledger is a file of this machine"
    if settings.lake.folder is not None and settings.mongo_connection_string is not None:
        if settings.spatial_etl_lake is not None:
            return "MONGO_CONNECTION_STRING, MONGO_DATABASE and SPATIAL_ETL_LAKE"
        return "MINIO_ENDPOINT: it is not set, so that the lake is a folder of this machine"
    if settings.lake.folder is not None:
        return f"SPATIAL_ETL_HOME and {'SPATIAL_ETL_LAKE' if settings.spatial_etl_lake else 'MINIO_LAKE_BUCKET'}"
    return f"MONGO_CONNECTION_STRING, MONGO_DATABASE, MINIO_ENDPOINT and {settings.lake.setting}"
