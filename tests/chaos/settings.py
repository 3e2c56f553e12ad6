"""For the workers and beats that chaos tests start: the test's own database, broker and leases."""

import os

from celery.schedules import schedule

from tests.settings import *  # noqa: F403

DATABASES["default"]["NAME"] = os.environ["CHAOS_DATABASE"]  # noqa: F405
DATABASES["default"]["HOST"] = os.environ["CHAOS_DATABASE_HOST"]  # noqa: F405
CELERY_BROKER_URL = os.environ["CHAOS_BROKER"]
CELERY_BEAT_SCHEDULE_FILENAME = os.environ["CHAOS_BEAT_FILE"]
CACHES["default"]["LOCATION"] = os.environ["CHAOS_CACHE"]  # noqa: F405
CHANNELS = {"webhook": os.environ["CHAOS_CHANNEL"]}
CHANNEL_LOOPBACK_ALLOWED = True
LEASE_SECONDS = 3
DRAIN_WORKERS = 3
CELERY_BEAT_SCHEDULE = {  # the same ticks, faster, so that tests wait less
    name: {**entry, "schedule": schedule(entry["schedule"].seconds / 4)}
    for name, entry in CELERY_BEAT_SCHEDULE.items()  # noqa: F405
    if name in {"due broadcasts", "dispatches", "welcomes"}
}
