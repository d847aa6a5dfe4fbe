"""Compute engines behind one seam: ``engine`` says what each offers, ``duckdb`` is the embedded one."""
