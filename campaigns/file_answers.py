"""A file of ours as an HTTP answer, for whoever was found to be allowed to see it."""

from __future__ import annotations

from django.http import FileResponse

from campaigns.models import MediaAsset
from campaigns.rules.media import content_type_of


def file_answer(asset: MediaAsset) -> FileResponse:
    """Never run, and never kept by anybody on the way."""
    kind = content_type_of(asset.file.name or "")
    response = FileResponse(
        asset.file.open("rb"),
        as_attachment=not kind.startswith(("image/", "video/")),
        filename=asset.name,
        content_type=kind,
    )
    response["Cache-Control"] = "private, no-store"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response
