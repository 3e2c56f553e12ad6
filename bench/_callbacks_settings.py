"""For the web server of the callbacks benchmark: the product's settings and one more address."""

from scrm.settings import *  # noqa: F403

ROOT_URLCONF = "bench._callbacks_urls"
