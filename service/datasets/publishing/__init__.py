"""A split dataset becomes files: examples, tuning files, report, manifest."""
