"""Asset checks: what the self-check of a written file found, as Dagster shows it. Not here: the checking."""
