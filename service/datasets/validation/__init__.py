"""What data must be before money is spent on it: one rule, one id."""
