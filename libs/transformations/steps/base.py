"""What every step is."""

from abc import abstractmethod
from collections.abc import Collection, Mapping

from libs.models import Model
from libs.transformations.query import Query


class Step(Model):
    """One change of a relation: a value, whose fields are the step's parameters.

    A subclass adds ``op``, a literal that names it in recipes.
    """

    op: str

    @property
    def named(self) -> frozenset[str]:
        """The columns of its input that it names."""
        return frozenset()

    @property
    def made(self) -> frozenset[str]:
        """Names that it gives to columns, new or renamed."""
        return frozenset()

    @property
    def reads(self) -> Mapping[str, Collection[str] | None]:
        """The named inputs that it reads: of each the columns, by name, or None for all that there are."""
        return {}

    @abstractmethod
    def apply(self, query: Query) -> None:
        """Extend the statement by this step.

        Raises:
            Rejected: when the relation does not allow it: a column that is not there, a type that does not fit.
        """


def require_geometry(query: Query) -> None:
    """Reject a table for a step that needs a geometry.

    Raises:
        Rejected: when the relation has no geometry.
    """
    if not query.relation.geometry:
        raise query.rejection(
            "no_geometry", "The step needs a geometry, and this is a table without one.", "Use an intent without this step."
        )
