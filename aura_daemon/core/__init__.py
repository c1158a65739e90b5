"""Decisions, pure: no I/O, no clock, no randomness, no threads, no logging, no torch. `now` is always an argument."""
