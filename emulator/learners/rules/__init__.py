"""The rules of the base model: what it answers without any training."""
