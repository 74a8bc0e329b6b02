"""Oracle Fusion's REST API as a source of pages: what to send, how to sign in, when to repeat.

Does not belong here: which page to ask for and what an item means (`engine`), or what is wanted
(`config`).
"""
