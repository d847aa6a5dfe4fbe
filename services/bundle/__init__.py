"""Making the bundle that a server without internet is installed from."""
