"""The report of an experiment: a page, its plots, its tables."""
