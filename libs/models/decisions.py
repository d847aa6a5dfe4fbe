"""What people decide about a dataset: which version is the current one, who else may deliver it."""

from libs.models.base import Identifier, Moment
from libs.models.document import Document


class Current(Document):
    """The decision that a version is the current one of its dataset (collection ``current``).

    Without one, the newest version is. It holds until a version is committed that is newer than the newest was: a later delivery
    is the current one again. Of several decisions, the one with the highest number counts.

    Attributes:
        number: 1, 2, 3, ... of the dataset.
        version: The version.
        newest: The newest version at that time.
        decided_by: Who decided it.
    """

    dataset_id: Identifier
    number: int
    version: int
    newest: int
    decided_by: str
    decided_at: Moment

    @property
    def id(self) -> str:
        """``_id``: ``<dataset_id>#<number>``."""
        return f"{self.dataset_id}#{self.number}"


class Grant(Document):
    """The decision that somebody may deliver versions of another's dataset, or may not any more (collection ``grants``).

    Of several decisions on one name, that with the highest number counts.

    Attributes:
        number: 1, 2, 3, ... of the dataset.
        to: A project or an uploader.
        allowed: False takes an earlier one back.
        decided_by: Who decided it.
    """

    dataset_id: Identifier
    number: int
    to: str
    allowed: bool
    decided_by: str
    decided_at: Moment

    @property
    def id(self) -> str:
        """``_id``: ``<dataset_id>#<number>``."""
        return f"{self.dataset_id}#{self.number}"
