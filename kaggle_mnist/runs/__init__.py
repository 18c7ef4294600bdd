"""Runs on disk: the record, the run folder, checkpoints, the list of runs, and submission.csv."""
