"""Reading a file from end to end, a second time where that is needed. Who uses the rows need not know of it."""

from collections.abc import Callable, Collection
from pathlib import Path

from libs.models import FileSpec, Rejected
from libs.spatial_utils.reading.messages import ReadLimits
from libs.spatial_utils.reading.reader import SchemaInferenceFailed, SourceFile, open_source


def read_source(
    path: Path,
    spec: FileSpec,
    where: str,
    limits: ReadLimits,
    consume: Callable[[SourceFile], None],
    roll_back: Callable[[], None] | None,
    *,
    named: Collection[str] = (),
    appended: bool = False,
) -> None:
    """Open a file and hand it to a consumer.

    Some files do not say what types their columns have. The types are inferred from some rows, which saves a second reading of
    most large files. When other rows do not agree, what was consumed is rolled back, and the file is read again by a scan of all
    rows.

    Args:
        path: See :func:`open_source`.
        spec: What the manifest says of the file.
        where: The file's place, for problems.
        limits: What reading may take.
        consume: Reads the layers. It may be called twice.
        roll_back: Takes back all that ``consume`` did; None when that is impossible, so that all rows are scanned first.
        named: Columns that are wanted.
        appended: Whether the rows are appended to those of other files.

    Raises:
        Rejected: when the file cannot be read, or ``consume`` refuses it whatever way it is read.
    """
    if roll_back is not None:
        try:
            with open_source(path, spec, where, limits, full_scan=False, named=named, appended=appended) as source:
                _consume_inferred(source, consume)
        except SchemaInferenceFailed:
            roll_back()
        else:
            return
    with open_source(path, spec, where, limits, named=named, appended=appended) as source:
        consume(source)


def _consume_inferred(source: SourceFile, consume: Callable[[SourceFile], None]) -> None:
    try:
        consume(source)
    except Rejected:
        if source.inferred:  # perhaps the recipe refuses a type that was inferred wrongly
            raise SchemaInferenceFailed from None
        raise
