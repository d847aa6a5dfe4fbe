"""The use cases: upload, process, reconcile, gc, verify, replay. Knows the seams, not who is behind them.

Import from the modules: a command that only looks things up needs no engine.
"""
