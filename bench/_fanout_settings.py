"""For the workers of the fan-out benchmark: the product's settings and an idle channel."""

from scrm.settings import *  # noqa: F403

CHANNELS["noop"] = "bench._fanout_channel.NoOpChannel"  # noqa: F405
