"""Many tunings and evaluations: the learning curve and its report."""
