"""Hypothesis on a busy machine: no deadline for a single example; what is slow is seen in the run's own time."""

from hypothesis import settings

settings.register_profile("protocol", parent=settings.get_profile("wslab"), max_examples=60)
settings.load_profile("protocol")
