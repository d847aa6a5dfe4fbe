"""GML, and the answers of WFS."""
