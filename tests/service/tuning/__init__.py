"""Tests of tuning: Google's own client against the emulator."""
