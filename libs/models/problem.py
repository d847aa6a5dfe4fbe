"""A problem or a warning: what was wrong, where, and what to do about it."""

from collections.abc import Iterable, Sequence

from libs.models.base import Record


class Problem(Record):
    """One thing that is wrong, said so that the uploader can act on it.

    Attributes:
        code: Stable and greppable, ``snake_case``: ``crs_mismatch``.
        where: The place, as the uploader knows it: ``files[0].crs``, ``files[2]: layer roads, feature 17``.
        message: What is wrong, with the names and values concerned.
        remedy: What to do about it. It names settings as the manifest spells them: ``write "crs": "EPSG:4326" for this file in
            the manifest`` where the value is known, ``'crs'`` where it is not, ``the intent 'raw'``. An interface that has a
            name of its own for a setting says that instead (``services/cli/typed.py``).
    """

    code: str
    where: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} {self.remedy} [{self.code}]"


class SpatialEtlError(Exception):
    """The base of every error that the platform raises on purpose."""


class Rejected(SpatialEtlError):  # noqa: N818 - a verdict on the input, not a fault of the program
    """The input cannot be processed as it is; says everything that is wrong with it.

    Raised by whatever meets bad input; caught in one place, where it becomes the batch's outcome and report.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))

    @classmethod
    def because(cls, code: str, where: str, message: str, remedy: str) -> "Rejected":
        """A rejection for a single reason."""
        return cls([Problem(code=code, where=where, message=message, remedy=remedy)])


class ServiceUnavailable(SpatialEtlError):  # noqa: N818 - a state of the surroundings
    """A configured service cannot be reached or refuses us. ``setting`` names what to change, ``code`` says which of the two."""

    code = "service_unavailable"

    def __init__(self, service: str, message: str, setting: str) -> None:
        self.service, self.setting = service, setting
        super().__init__(f"{service}: {message} Check {setting}.")


class NotEmpty(ServiceUnavailable):
    """A ledger, a lake or a backup that is to be made anew holds something already. Nothing was changed in it."""

    code = "ledger_not_empty"


class DamagedBackup(ServiceUnavailable):
    """A backup is not whole, or not as it was written. Nothing was restored from it."""

    code = "backup_damaged"

    def __init__(self, source: object, reason: str) -> None:
        super().__init__(f"the backup in {source}", f"{reason} Nothing was restored.", "another backup")


class NoHome(ServiceUnavailable):
    """Nothing was delivered where the settings look for it. Nothing was made there either."""

    code = "no_home"


class LakeOfAnother(ServiceUnavailable):
    """The settings bring a lake and a ledger together that do not belong together. Nothing was changed in either."""

    code = "lake_of_another_ledger"
