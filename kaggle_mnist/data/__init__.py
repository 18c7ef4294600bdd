"""Digits in memory, and every source that they are read from."""
