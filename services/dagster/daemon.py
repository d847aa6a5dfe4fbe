"""Dagster's daemon, as the command ``dagster-daemon`` starts it, with a garbage collection that fits.

Python looks for garbage when new objects are a quarter of all that were loaded. Frozen objects do not count, so it looks sooner.
"""

import gc
from importlib.metadata import entry_points

if __name__ == "__main__":
    (command,) = entry_points(group="console_scripts", name="dagster-daemon")
    main = command.load()
    gc.freeze()
    gc.collect()
    main()
