"""Values of columns: times, text, WKB, numbers. Knows no format and no library but Arrow."""
