"""The results of an evaluation for others: its manifest, and its table filtered or read back."""
