"""ENVI: bare pixels with a header beside them."""
