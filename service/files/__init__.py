"""Files that a client uploaded."""
