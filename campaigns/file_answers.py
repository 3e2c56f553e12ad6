"""A file of ours as an HTTP answer, for whoever was found to be allowed to see it."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from campaigns.models import MediaAsset
from campaigns.rules.media import content_type_of


def file_answer(asset: MediaAsset) -> HttpResponse:
    """Never run, and never kept by anybody on the way."""
    kind = content_type_of(asset.file.name or "")
    with asset.file.open("rb") as file:
        response = HttpResponse(file.read(), content_type=kind)
    is_shown = kind.startswith(("image/", "video/"))
    response["Content-Disposition"] = (
        content_disposition_header(not is_shown, asset.name) or "inline"
    )
    response["Cache-Control"] = "private, no-store"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response
