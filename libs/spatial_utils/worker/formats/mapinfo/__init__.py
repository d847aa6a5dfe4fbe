"""MapInfo's MIF and TAB."""
