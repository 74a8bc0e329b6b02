"""Oracle Fusion's REST API over HTTP: what to ask, how to sign in, when to ask again."""
