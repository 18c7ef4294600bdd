"""What each group of commands prints."""
