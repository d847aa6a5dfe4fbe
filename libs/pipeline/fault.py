"""What is answered when something goes wrong that is not the input's fault."""

import logging

from libs.disk import is_full
from libs.ledger import UNAVAILABLE
from libs.models import Problem, ServiceUnavailable
from libs.storage import ObjectRefused

_LOG = logging.getLogger(__name__)


def fault(error: Exception, what: str) -> tuple[ServiceUnavailable | None, Problem]:
    """A fault of a service, which is worth another try, or of this program, which goes to the log.

    Args:
        error: What was raised.
        what: What failed, for the log.

    Returns:
        The service's fault, if it is one, and the problem to report.
    """
    if is_full(error):
        error = ServiceUnavailable("the disk", f"there is no space left: {error}.", "SPATIAL_ETL_SCRATCH and SPATIAL_ETL_HOME")
    if isinstance(error, ObjectRefused):
        remedy = "Tell the operator: take away what lies there, or let the platform write there. Then upload the manifest again."
        return None, Problem(code="not_writable", where=error.uri, message=f"{error.uri!r} {error.reason}.", remedy=remedy)
    if isinstance(error, ServiceUnavailable):
        message, remedy = str(error), "It is tried again by itself a few times. After that, upload the manifest again."
        return error, Problem(code=UNAVAILABLE, where="platform", message=message, remedy=remedy)
    _LOG.error(what, exc_info=error)
    message, remedy = (
        f"{type(error).__name__}: {error}",
        "This is a fault of the platform, not of the files: report it to its operator.",
    )
    return None, Problem(code="internal_error", where="platform", message=message, remedy=remedy)
