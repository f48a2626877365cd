"""A recording relay between any two peers, and the bends by which it alters what passes."""
