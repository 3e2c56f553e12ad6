"""Every door of the product. Nothing is served that is not on this page."""

from __future__ import annotations

from importlib.util import find_spec

from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from communities.pages.join_way import follow
from scrm.shared.health import healthz, readyz
from scrm.wecom.pages.callback import callback

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^j/(?P<code>[^/]+)/?$", follow, name="join-way"),  # first: it has bursts
    re_path(r"^wecom/callback/(?P<key>[^/]+)/?$", callback, name="wecom-callback"),  # so has it
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("admin/", admin.site.urls),
]
if find_spec("scrm.accounts.api.permissions") and find_spec("scrm.shared.api.schema"):
    urlpatterns.append(path("api/", include("scrm.api_urls")))
if apps.is_installed("members"):
    urlpatterns.append(path("", include("members.pages.urls")))

# Unknown addresses and failures under /api/ answer in the API's own shape.
handler400 = "scrm.shared.api.problems.bad_request"
handler403 = "scrm.shared.api.problems.permission_denied"
handler404 = "scrm.shared.api.problems.not_found"
handler500 = "scrm.shared.api.problems.server_error"
