"""Kaggle: its client, a competition, and the leaderboard."""
