"""A large source is converted by several workers."""
