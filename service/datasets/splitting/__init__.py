"""Which row trains and which tests."""
