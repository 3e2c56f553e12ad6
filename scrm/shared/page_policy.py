"""Content security policy of the pages for people; everything else keeps the strict one."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class PagePolicyMiddleware:
    """Stands directly after ContentSecurityPolicyMiddleware, which reads what is set here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith(settings.PAGE_CSP_PATHS):
            # what Django's csp_override decorator sets
            response._csp_config = settings.PAGE_CSP  # type: ignore[attr-defined]
        return response
