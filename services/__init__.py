"""What people and machines run: the command line, and later Dagster and the webapp."""
