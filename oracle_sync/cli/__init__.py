"""The command line: words in, words and an exit status out. The work is done elsewhere."""
