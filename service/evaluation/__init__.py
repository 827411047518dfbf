"""One variant on one split, scored."""
