"""What the lessons do beside the lab: each module is one lesson's plumbing and its exercises."""
