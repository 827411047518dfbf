"""What answers say and what they earn: reading, findings, confusion, scores of rows and of all."""
