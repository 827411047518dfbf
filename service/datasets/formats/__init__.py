"""How a file's bytes become rows, and examples become lines."""
