"""Digits in memory, and the sources they are read from."""
