"""Shared by all other folders: errors, files, bounded reading, progress."""
