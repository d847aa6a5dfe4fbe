"""Writing a result: the engine writes, and every file is checked here, whatever wrote it."""

from libs.compute.engine import Processed, Target
from libs.spatial_utils import geoparquet
from libs.spatial_utils.geoparquet import WrittenFile


def write_result(processed: Processed, target: Target) -> tuple[WrittenFile, ...]:
    """Have an engine write its result.

    Raises:
        SelfCheckFailed: when a file does not read back as the result.
    """
    files = tuple(
        file if isinstance(file, WrittenFile) else geoparquet.inspect(file)  # ours was measured while it was written
        for file in processed.write(target)
    )
    geoparquet.check_result(files, processed.schema, features=processed.features, bbox=processed.bbox, crs=target.crs)
    return files
