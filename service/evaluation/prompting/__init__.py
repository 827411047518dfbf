"""How a model is asked: the prompts of each variant, and how better ones are proposed and kept."""
