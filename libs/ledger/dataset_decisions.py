"""Decisions on a dataset, without a batch: which version is the current one, who else may deliver, what is said of it."""

from collections.abc import Mapping
from typing import Any

from libs.ledger.linking import Linking
from libs.models import About, Asset, Current, Description, Grant


class DatasetDecisions(Linking):
    """What a person decides on a dataset."""

    def make_current(self, asset: Asset, by: str) -> Current | None:
        """Decide that a version is the current one of its dataset, until a newer one than there is now is committed.

        Args:
            asset: The version.
            by: Who decides it.

        Returns:
            The decision; None when the version is the current one already.
        """
        while True:
            last = self.decisions(asset.dataset_id).get(asset.dataset_id)
            standing = self.standing(asset.dataset_id)
            if asset.version == standing.current:
                return None
            decision = Current(
                dataset_id=asset.dataset_id,
                number=last.number + 1 if last else 1,
                version=asset.version,
                newest=max(standing.versions),
                decided_by=by,
                decided_at=self.clock(),
            )
            if self._insert_decision("current", decision.id, decision.to_document()):
                self.log(
                    "made current",
                    asset.id,
                    actor=by,
                    at=decision.decided_at,
                    instead_of=standing.current,
                    decision=f"current/{decision.id}",
                )
                return decision

    def grant(self, dataset_id: str, to: str, by: str, *, allowed: bool = True) -> Grant | None:
        """Decide whether somebody may deliver versions of another's dataset.

        Args:
            dataset_id: The dataset.
            to: A project or an uploader.
            by: Who decides it.
            allowed: False takes it back.

        Returns:
            The decision; None when that holds already.
        """
        while True:
            known = self.grants(dataset_id).get(dataset_id, {})
            if ((last := known.get(to)) is not None and last.allowed == allowed) or (last is None and not allowed):
                return None
            number = max((each.number for each in known.values()), default=0) + 1
            decision = Grant(dataset_id=dataset_id, number=number, to=to, allowed=allowed, decided_by=by, decided_at=self.clock())
            if self._insert_decision("grants", decision.id, decision.to_document()):
                self.log(
                    "granted" if allowed else "revoked",
                    dataset_id,
                    actor=by,
                    at=decision.decided_at,
                    to=to,
                    decision=f"grants/{decision.id}",
                )
                return decision

    def describe(self, dataset_id: str, said: Mapping[str, Any], by: str) -> Description | None:
        """Decide what is said of a dataset from now on. What others say at the same time of other things stays.

        Args:
            dataset_id: The dataset.
            said: Fields of :class:`About`, with their new values; the others stay as they are.
            by: Who decides it.

        Returns:
            The decision; None when all of that is said already.
        """
        while True:
            last = self.descriptions(dataset_id).get(dataset_id)
            before = last.about if last else About()
            about = About.model_validate(before.model_dump() | dict(said))
            if about == before:
                return None
            decision = Description(
                dataset_id=dataset_id,
                number=last.number + 1 if last else 1,
                about=about,
                decided_by=by,
                decided_at=self.clock(),
            )
            if self._insert_decision("descriptions", decision.id, decision.to_document()):
                in_use = (about.retired is None, before.retired is None)
                action = "described" if in_use[0] == in_use[1] else "restored" if in_use[0] else "retired"
                self.log(action, dataset_id, actor=by, at=decision.decided_at, decision=f"descriptions/{decision.id}")
                return decision
