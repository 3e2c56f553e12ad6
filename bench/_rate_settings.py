"""For the workers of the rate benchmark: the product's settings and a channel with a ledger."""

from scrm.settings import *  # noqa: F403

CHANNELS["ledger"] = "bench._rate_channel.LedgerChannel"  # noqa: F405
