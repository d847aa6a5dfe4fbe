"""What runs in the reading processes, apart from everything else: the fork server, the sandbox, GDAL, and the readers.

Nothing but the standard library, pyarrow and GDAL is imported here, so that the server is ready fast. Nothing outside
imports this package: what it learns comes by its socket, what it reads leaves by a pipe.
"""
