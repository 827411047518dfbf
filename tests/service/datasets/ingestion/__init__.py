"""Sources of every format, staged."""
