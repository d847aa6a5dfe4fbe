"""TopoJSON: features that share their borders."""
