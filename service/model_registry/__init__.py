"""The registry of models: where each came from, and the names that move between them."""
