"""What a tuning is asked for: dataset, settings, the model it continues, and whether they fit."""
