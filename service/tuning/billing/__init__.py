"""What tunings cost: estimated before, held while they run, billed when they end."""
