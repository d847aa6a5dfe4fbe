"""Jobs: what runs in a process of its own. A file for each; an op calls a use case of ``libs.pipeline`` and tells of it.

Not here: rules. Whether a batch is claimed, tried again or rejected is the ledger's word.
"""
