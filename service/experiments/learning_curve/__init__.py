"""The learning curve of an experiment: fitted, and how much luck stands in it. Pure."""
