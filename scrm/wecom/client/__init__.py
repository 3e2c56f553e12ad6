"""Calls to the WeCom server API: typed, limited, and honest about what is not known."""

from scrm.wecom.client.errors import Outcome, WecomRefusal


class WecomClient:
    """Placeholder of the contract; the calls follow."""


__all__ = ["Outcome", "WecomClient", "WecomRefusal"]
