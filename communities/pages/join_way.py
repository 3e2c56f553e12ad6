"""The public address of a join way: /j/CODE leads a scan to a chat, or says why it cannot."""

from __future__ import annotations

import random
from http import HTTPStatus

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_safe

from communities.rules.join_ways import is_scan
from communities.rules.routing import NoEntry, destination
from communities.services.counting_scans import count_scan
from communities.services.routing_tables import routing_table

NOTICE_CSP = {"default-src": ["'none'"], "style-src": ["'unsafe-inline'"]}
REGION_LENGTH = 40  # of a classification value's code
RETRY_SECONDS = 5


@require_safe
def follow(request: HttpRequest, code: str) -> HttpResponse:
    """Answer a scan from the routing table. Nothing of the request decides the address but its
    code and its region, so it cannot be bent to lead elsewhere."""
    try:
        table = routing_table(code)
    except (DatabaseError, InterfaceError):
        return _busy(request)
    if table is None:
        return _unknown(request)
    region = request.GET.get("region", "")[:REGION_LENGTH] if request.META["QUERY_STRING"] else ""
    found = destination(table, number=random.random(), region=region)
    if found is NoEntry.CLOSED:
        return _closed(request)
    if _is_scan(request):
        count_scan(table.way_id, time_zone=table.time_zone, now=timezone.now())
    if isinstance(found, NoEntry):
        return _paused(request)
    return _uncached(HttpResponseRedirect(found))


def _is_scan(request: HttpRequest) -> bool:
    said = request.META
    return is_scan(
        method=request.method or "",
        purpose=said.get("HTTP_SEC_PURPOSE", "") + said.get("HTTP_PURPOSE", ""),
        agent=said.get("HTTP_USER_AGENT", ""),
    )


def _uncached[R: HttpResponse](response: R) -> R:
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


@csp_override(NOTICE_CSP)
def _notice(request: HttpRequest, title: str, text: str, status: HTTPStatus) -> HttpResponse:
    words = {"title": title, "text": text}
    return _uncached(render(request, "communities/join_way_notice.html", words, status=status))


def _unknown(request: HttpRequest) -> HttpResponse:
    text = _("请核对链接，或向发给你的人再要一次。")
    return _notice(request, _("没有这个入群码"), text, HTTPStatus.NOT_FOUND)


def _closed(request: HttpRequest) -> HttpResponse:
    text = _("它已不再使用。请向发给你的人要新的入群码。")
    return _notice(request, _("这个入群码已停用"), text, HTTPStatus.GONE)


def _paused(request: HttpRequest) -> HttpResponse:
    text = _("社群现在不接收新成员，请过些时候再扫一次。")
    return _notice(request, _("暂时不能入群"), text, HTTPStatus.OK)


def _busy(request: HttpRequest) -> HttpResponse:
    text = _("系统繁忙，请几秒后再扫一次。")
    response = _notice(request, _("请稍后再试"), text, HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response
