"""Models trained on uploaded examples, and the rules of the base model."""
