"""Statistics of scores: intervals and paired comparisons."""
