"""The embedded stack: every process of Tunecurve on one machine, under one supervisor."""
