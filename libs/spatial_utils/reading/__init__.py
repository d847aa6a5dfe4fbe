"""Reading untrusted files: GDAL in a confined process per file, Arrow record batches out."""

from libs.spatial_utils.reading.consume import read_source
from libs.spatial_utils.reading.layers import Layer
from libs.spatial_utils.reading.messages import ReadLimits
from libs.spatial_utils.reading.reader import (
    LayerStream,
    SchemaInferenceFailed,
    SourceFile,
    open_source,
    sandbox_features,
    warm_up,
)

__all__ = [
    "Layer",
    "LayerStream",
    "ReadLimits",
    "SchemaInferenceFailed",
    "SourceFile",
    "open_source",
    "read_source",
    "sandbox_features",
    "warm_up",
]
