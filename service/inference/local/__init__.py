"""Models on this machine: where they lie, what they need, how they are loaded and asked.

Nothing here imports PyTorch but `loader` and `answers`, which only workers of the queues
`tune-local` and `evaluate-local` open.
"""
