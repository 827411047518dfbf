"""What is settled before anything is asked: price, checkpoint, shots, and the plan of them all."""
