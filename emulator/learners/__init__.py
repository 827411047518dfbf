"""Models that truly learn from uploaded examples, and the rules of the base model."""
