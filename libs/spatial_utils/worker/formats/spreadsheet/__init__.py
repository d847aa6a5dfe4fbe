"""Spreadsheets (XLSX, ODS): a sheet is a layer, its cells are read by expat as the file has them."""
