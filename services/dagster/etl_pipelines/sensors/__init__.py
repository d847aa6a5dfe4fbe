"""Sensors: what looks for work. They keep no cursor: the landing zone, the ledger and Dagster's runs say what is to be done."""
