"""The door of the web server. Served over WSGI: synchronous views are slower behind ASGI."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")

application = get_wsgi_application()

# What is loaded now stays: a request that makes many small objects, as a batch of events does,
# would otherwise have all of it looked through for garbage again and again.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 10, 20)
