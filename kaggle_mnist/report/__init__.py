"""The report of a run: one self-contained HTML page, with its charts and its gallery of digits."""
