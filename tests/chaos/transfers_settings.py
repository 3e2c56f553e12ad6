"""For workers that hand things over in chaos tests: short leases."""

from tests.settings import *  # noqa: F403

LEASE_SECONDS = 3
