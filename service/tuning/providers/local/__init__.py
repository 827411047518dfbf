"""Tuning on this machine with the Trainer of transformers.

`plan` and `memory` are free of PyTorch; the rest is imported by workers of queue `tune-local`.
"""
