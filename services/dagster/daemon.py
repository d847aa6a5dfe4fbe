"""Dagster's daemon, which looks for garbage among what it makes, not only when it comes to a quarter of all that was loaded."""

import gc

from dagster._daemon.cli import main

if __name__ == "__main__":
    gc.freeze()
    gc.collect()
    main()
