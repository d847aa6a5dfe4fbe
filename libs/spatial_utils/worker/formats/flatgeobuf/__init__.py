"""FlatGeobuf."""
