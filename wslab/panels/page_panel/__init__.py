"""``PagePanel``: a page that a lab serves."""
