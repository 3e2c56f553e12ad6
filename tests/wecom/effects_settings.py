"""For the workers of tests that count effects."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.wecom.effects.EffectsConfig"]  # noqa: F405
LEASE_SECONDS = 0.5
WECOM_WAKE_SECONDS = 0.05
