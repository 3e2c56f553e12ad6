"""The product's settings on engines of our own, made fast. Nothing else differs."""

import os

from tests.engines import own_engines

own_engines()

os.environ.setdefault("SCRM_SECRET_KEY", "only-for-tests-" * 5)
os.environ.setdefault("SCRM_PII_KEYS", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
os.environ.setdefault("SCRM_HOSTS", "testserver,localhost,127.0.0.1")
os.environ.setdefault("SCRM_HTTPS", "false")

from scrm import env  # noqa: E402
from scrm.settings import *  # noqa: E402, F403
from scrm.shared.catalogues import compile_catalogues  # noqa: E402

compile_catalogues()

# Each parallel worker has its own database (by pytest-django) and its own two in Valkey.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
CELERY_BROKER_URL = env.broker(env.redis_database(REDIS_URL, 2 * _worker))  # noqa: F405
ACTIVITY_STREAM_URL = env.redis_database(REDIS_URL, 2 * _worker)  # noqa: F405
CACHES["default"]["LOCATION"] = env.redis_database(REDIS_URL, 2 * _worker + 1)  # noqa: F405

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {  # noqa: F405 - no collectstatic before a test
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
STORAGES["evidence"]["OPTIONS"]["location"] = DATA_DIR / "media" / f"evidence-{_worker}"  # noqa: F405
STORAGES["content"]["OPTIONS"]["location"] = DATA_DIR / "media" / f"content-{_worker}"  # noqa: F405
WHITENOISE_AUTOREFRESH = True
SCAN_WRITE_SECONDS = 0  # a test writes the counts itself, in its own transaction
WECOM_LISTENER_SECONDS = 0  # a connection is what this test made of it
WECOM_WAKE_SECONDS = 0  # a test processes what arrived itself
REST_FRAMEWORK = {
    **REST_FRAMEWORK,  # noqa: F405
    "DEFAULT_THROTTLE_RATES": {"anon": None, "user": None},
}
