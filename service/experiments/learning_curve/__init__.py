"""The learning curve of an experiment: fitted, and how much of it is luck. Pure."""
