"""For the web server of the ingest benchmark: two more addresses, and no limit of requests."""

from scrm.settings import *  # noqa: F403

ROOT_URLCONF = "bench._ingest_urls"
REST_FRAMEWORK = {
    **REST_FRAMEWORK,  # noqa: F405
    "DEFAULT_THROTTLE_RATES": {"anon": None, "user": None},
}
