"""``ClosingPanel``: both endpoints' closing, step by step."""
