"""Reading files that nobody vouches for: GDAL in a confined process per file, Arrow record batches out."""

from libs.spatial_utils.reading.layers import Layer
from libs.spatial_utils.reading.messages import ReadLimits
from libs.spatial_utils.reading.reader import LayerStream, Misjudged, SourceFile, open_source, sandbox_features, warm_up

__all__ = ["Layer", "LayerStream", "Misjudged", "ReadLimits", "SourceFile", "open_source", "sandbox_features", "warm_up"]
