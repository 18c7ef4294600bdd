"""What every other folder builds on: errors, files, bounded reading, progress."""
