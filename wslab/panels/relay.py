"""``Relay`` as a notebook uses it: the relay of ``wslab.live`` that shows itself as a live panel over its own trace."""

from __future__ import annotations

from ..live.relay import relay
from .notebook import LiveRecording


class Relay(LiveRecording, relay.Relay):
    """A relay between any two peers, as ``lab.relay(to=...)`` gives it; see ``wslab.live.relay.relay.Relay``."""

    async def close(self) -> None:
        """Close it, as ``wslab.live.relay.relay.Relay.close`` does; its panels say so and stay."""
        await super().close()
        self._refresh()
