"""What people decide about a dataset: which version is the current one, who else may deliver it, what is said of it."""

from typing import Annotated

from pydantic import StringConstraints

from libs.models.base import Identifier, Model, Moment
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


_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")]


class About(Model):
    """What is said of a dataset, whatever its versions hold.

    Attributes:
        title: What people call it.
        description: What it is, in a few sentences or more.
        tags: Words by which it is found.
        contact: Whom to ask.
        licence: Under which it may be used: ``CC-BY-4.0``.
        attribution: What whoever uses it has to name.
        retired: Why it is not to be used any more, and takes no deliveries; None while it is in use.
    """

    title: _Line | None = None
    description: _Prose | None = None
    tags: tuple[_Line, ...] = ()
    contact: _Line | None = None
    licence: _Line | None = None
    attribution: _Prose | None = None
    retired: _Prose | None = None


class Description(Document):
    """The decision on what is said of a dataset (collection ``descriptions``). Of several, that with the highest number counts.

    Attributes:
        number: 1, 2, 3, ... of the dataset.
        about: All that is said from then on.
        decided_by: Who decided it.
    """

    dataset_id: Identifier
    number: int
    about: About
    decided_by: str
    decided_at: Moment

    @property
    def id(self) -> str:
        """``_id``: ``<dataset_id>#<number>``."""
        return f"{self.dataset_id}#{self.number}"
