"""The same job as people write it by hand. Each module is a script of its own: ``python with_x.py SOURCE TARGET``."""
