"""Whose turn it is to grow a dataset: a reserved number is a place in a queue, one for each dataset.

A version grows the one before it. So it may be made when each number below its own is decided: then the version before is known,
and no other can come between. Nobody can wait in a circle: a run takes its places in the order of the datasets' names, and takes
the next one when it is its turn at the one before.
"""

from libs.ledger.ledger import Ledger
from libs.models import Asset, Reservation


def ahead(ledger: Ledger, place: Reservation) -> tuple[Asset | None, list[Reservation]]:
    """Who has to be waited for. Runs whose workers are gone are decided.

    Args:
        ledger: Of the dataset.
        place: A reservation of one's own.

    Returns:
        The version that was current before this number, as far as it is decided; and the reservations in front of it that are
        still undecided. A run that has taken a later number since has given up its earlier one.
    """
    before, pending = ledger.before({place.dataset_id: place.version})
    latest: dict[str, int] = {}
    if pending:
        for each in ledger.reservations_of(place.dataset_id):
            latest[each.run_id] = max(latest.get(each.run_id, 0), each.version)
    waiting = [each for each in pending if each.version == latest[each.run_id] and each.run_id != place.run_id]
    for each in waiting:
        run = ledger.run(each.run_id)
        if run is not None:
            ledger.give_up(run)
    return before.get(place.dataset_id), waiting
