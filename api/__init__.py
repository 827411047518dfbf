"""The HTTP side: parse, call, present."""
