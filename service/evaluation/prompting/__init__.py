"""How a model is asked: the prompts of each variant, and the examples that they show."""
