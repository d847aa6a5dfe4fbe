"""Which release a ledger was brought to: later ones may need what earlier ones would spoil."""

from libs.models.base import Moment
from libs.models.document import FORMAT, Document
from libs.models.problem import ServiceUnavailable


class UsedFormat(Document):
    """That a ledger is used with the format of a release (collection ``releases``, ``_id`` the format).

    Attributes:
        release: The first one that used it so.
        by: Its worker.
    """

    release: str
    noted_at: Moment
    by: str

    @property
    def id(self) -> str:
        """``_id``: the format."""
        return self.format


class NewerRelease(ServiceUnavailable):
    """A later release has brought the ledger to a format that this one must not write. Nothing was changed."""

    code = "newer_release"

    def __init__(self, place: str, used: str) -> None:
        super().__init__(
            place,
            f"a later release of spatial-etl has brought it to the format {used}; this one writes {FORMAT}, which that release "
            "may misread. Nothing was changed. Install that release here, or restore a backup from before the upgrade.",
            "the version of spatial-etl on this machine",
        )
