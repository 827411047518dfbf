"""Models that judge answers by a rubric: questions, verdicts, what they are worth."""
