"""The one door through which a photo leaves its storage."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_safe

from members.errors import PhotoOutOfSight
from members.services.viewing_evidence import view_evidence

PHOTO_CSP: dict[str, list[str]] = {"default-src": [CSP.NONE], "sandbox": [""]}


@require_safe
@csp_override(PHOTO_CSP)
def show(request: HttpRequest, token: str) -> HttpResponse:
    try:
        evidence = view_evidence(token)
        with evidence.photo.open("rb") as file:
            response = HttpResponse(file.read(), content_type="image/jpeg")
        response["Content-Disposition"] = f'inline; filename="evidence-{evidence.pk}.jpg"'
    except (PhotoOutOfSight, FileNotFoundError):
        response = HttpResponse(status=HTTPStatus.NOT_FOUND, content_type="text/plain")
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    response["Cross-Origin-Resource-Policy"] = "same-site"
    return response
