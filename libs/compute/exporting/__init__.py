"""Files of other formats, made from GeoParquet: which there are, what each can hold, and how each is written.

The writer is DuckDB. GeoJSON and CSV it writes from one SELECT; the others with the GDAL that is part of its spatial extension.
That GDAL only ever writes here: no stranger's file is opened by it. Such files are read by the confined process only.
"""

from libs.compute.exporting.formats import EXPORTS, Export, export_of
from libs.compute.exporting.writing import Written, write_file

__all__ = ["EXPORTS", "Export", "Written", "export_of", "write_file"]
