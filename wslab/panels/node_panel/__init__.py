"""``NodePanel``: a script in Node that talks to a lab."""
