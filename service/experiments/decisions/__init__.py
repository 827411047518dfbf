"""What an experiment decides: size, order, what is worth its cost, and what comes next. Pure."""
