"""What every door of the join page has: limits, a size, a policy, and answers in sentences."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.urls import reverse
from django.utils.csp import CSP
from django.utils.decorators import decorator_from_middleware
from django.utils.translation import gettext as _
from django.views.decorators.csp import csp_override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from scrm.shared.rate_limits import CannotCount, Limit, TooOften, client_of, use_if_counted

JOIN_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
}
SMALL_BODY = 16 * 1024
VIEWS = Limit("pages for a client", 120, 60)

type View = Callable[..., HttpResponse]


def join_door(
    *methods: str, limit: Limit | None = None, max_body: int = SMALL_BODY
) -> Callable[[View], View]:
    """A view of the join page. Its body is judged by its declared length before anything reads
    it, CSRF protection included."""

    def decorate(view: View) -> View:
        protected: View = _csrf_protected(view)  # type: ignore[assignment]  # it answers alike

        @csrf_exempt  # here, because the protection reads the body; inside it is on
        @require_http_methods(list(methods))
        @csp_override(JOIN_CSP)
        @wraps(view)
        def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            response = _through(request, protected, limit, max_body, *args, **kwargs)
            response["Cache-Control"] = "no-store"
            return response

        return door

    return decorate


def notice(
    request: HttpRequest,
    title: str,
    text: str,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    back: str = "",
) -> HttpResponse:
    """A page with one sentence, and with a way back if there is one."""
    words = {"title": title, "text": text, "back": back}
    return render(request, "members/join/notice.html", words, status=status)


def unknown(request: HttpRequest) -> HttpResponse:
    text = _("请核对链接，或向发给你的人再要一次。")
    return notice(request, _("没有这个页面"), text, HTTPStatus.NOT_FOUND)


def _through(
    request: HttpRequest,
    view: View,
    limit: Limit | None,
    max_body: int,
    *args: Any,
    **kwargs: Any,
) -> HttpResponse:
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length > max_body:
        return _too_large(request)
    try:
        use_if_counted(VIEWS, client_of(request))
        if limit is not None:
            use_if_counted(limit, client_of(request))
        return view(request, *args, **kwargs)
    except TooOften as refusal:
        return _too_often(request, refusal)
    except CannotCount:
        text = _("现在不能发送验证码，请几分钟后再试。")
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return notice(request, _("请稍后再试"), text, status, back=_page(request))


def _too_large(request: HttpRequest) -> HttpResponse:
    text = _("上传的内容太大。照片不能超过 10 MB，请返回换一张。")
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    response = notice(request, _("太大了"), text, status, back=_page(request))
    response["Connection"] = "close"  # what is left of the body is not worth reading
    return response


def _too_often(request: HttpRequest, refusal: TooOften) -> HttpResponse:
    status = HTTPStatus.TOO_MANY_REQUESTS
    response = notice(request, _("请稍后再试"), refusal.message, status, back=_page(request))
    response["Retry-After"] = str(refusal.retry_after)
    return response


def _page(request: HttpRequest) -> str:
    """The first page of the community, with what came after the question mark."""
    match = request.resolver_match
    if match is None:
        return ""
    path = reverse("join:page", kwargs=match.kwargs)
    query = request.META.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        """For people who blocked cookies or left the page open for long."""
        text = _("页面已过期，或浏览器没有允许 Cookie。请重新打开链接再试。")
        status = HTTPStatus.FORBIDDEN
        return notice(request, _("请重新打开"), text, status, back=_page(request))


_csrf_protected = decorator_from_middleware(_Csrf)
