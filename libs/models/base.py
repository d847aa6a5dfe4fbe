"""What every model of the platform shares. No model lives here."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

MAX_ID_LENGTH = 128
ID_PATTERN = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_ID_LENGTH - 1}}}$"
"""What a ``batch_id`` and a ``dataset_id`` look like: safe as an object key, a file name and an ``_id``."""

Identifier = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _to_milliseconds(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


Moment = Annotated[AwareDatetime, AfterValidator(_to_milliseconds)]
"""A point in time, in UTC, cut to the millisecond: MongoDB keeps no more, and a record must come back as it went."""

BBox = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax in the units of the layer's CRS, axis order x, y whatever the CRS says."""


class Model(BaseModel):
    """An immutable contract: unknown keys are refused by name, values never change after parsing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(Model):
    """A contract that other releases write, too: fields that this one does not know are kept, and written again."""

    model_config = ConfigDict(frozen=True, extra="allow")


def utc_now() -> datetime:
    """Now, in UTC, cut to the millisecond."""
    return _to_milliseconds(datetime.now(UTC))
