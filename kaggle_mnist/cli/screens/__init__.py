"""What each group of commands prints; one module for each."""
