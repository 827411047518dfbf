"""Models that judge answers: how likely one is right, and how good it is by a rubric."""
