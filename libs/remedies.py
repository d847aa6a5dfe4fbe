"""What remedies of problems say about policies, for the confined worker and for the recipes' steps. A leaf: both import it."""


def way_in(kind: str) -> str:
    """The policies for a kind of bad row as another remedy: ``value``, ``geometry`` or ``text``. Begins with a blank."""
    return f' Or have such features set aside, to look at later: write "on_bad_{kind}": "set_aside" in the manifest.'
