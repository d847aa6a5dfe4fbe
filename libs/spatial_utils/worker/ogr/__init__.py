"""GDAL's vector reading: any driver, one way. Not here: what is so of one format only (``formats``)."""
