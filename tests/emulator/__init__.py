"""Tests of the emulator: real processes, driven by the official clients."""
