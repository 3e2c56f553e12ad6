"""Routes of our resources."""

from __future__ import annotations

from typing import Any

from rest_framework.routers import SimpleRouter


class RowRouter(SimpleRouter):
    """A row is named by its number in ASCII digits; anything else in its place is no address.

    Without this, "٣" would be read as 3, and one row would have many addresses.
    """

    def get_lookup_regex(self, viewset: Any, lookup_prefix: str = "") -> str:
        name = viewset.lookup_url_kwarg or viewset.lookup_field
        return f"(?P<{lookup_prefix}{name}>[0-9]+)"
