"""The batch lane: an evaluation's requests as one file that a provider answers within a day."""
