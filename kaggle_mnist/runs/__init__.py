"""Runs on disk: the record, the run folder, checkpoints, finding and listing runs, and submission.csv."""
