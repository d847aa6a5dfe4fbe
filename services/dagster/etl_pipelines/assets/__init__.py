"""What people see of datasets: records of the ledger, turned into Dagster's events.

Here: one file for each thing that is shown. Not here: assets that Dagster could make. Which datasets there are is known when a
batch has been processed, not when code is loaded, so each is reported under its own key at run time; ``known`` describes those
that were there when definitions were loaded last, ``shown`` reports what was made elsewhere.
"""
