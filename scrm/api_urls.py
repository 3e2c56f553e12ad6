"""The API, version 1. The version is written out: changes inside it only ever add."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

ROOMS = (
    "scrm.accounts.api.urls",
    "scrm.wecom.api.urls",
    "communities.api.urls",
    "members.api.urls",
    "campaigns.api.urls",
)

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    *[
        path("v1/", include(name))
        for name in ROOMS
        if find_spec(name.rsplit(".", 1)[0]) and find_spec(name)
    ],
]
