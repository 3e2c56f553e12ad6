"""How a browser is known between two pages: by a verification, in a signed cookie.

A cookie is signed for one enterprise, so at another one's pages it is worth nothing.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from communities.models import Community
from members.models import PhoneVerification
from members.rules.codes import SESSION

PROVEN, AWAITED = "scrm-join", "scrm-join-code"
AWAITED_FOR = timedelta(minutes=10)
PATH = "/join/"


def remember_proven(
    response: HttpResponse, verification: PhoneVerification, community: Community
) -> None:
    _remember(response, PROVEN, verification, community, age=SESSION)
    response.delete_cookie(AWAITED, path=PATH, samesite="Lax")


def remember_awaited(
    response: HttpResponse, verification: PhoneVerification, community: Community
) -> None:
    _remember(response, AWAITED, verification, community, age=AWAITED_FOR)


def forget(response: HttpResponse) -> None:
    for name in (PROVEN, AWAITED):
        response.delete_cookie(name, path=PATH, samesite="Lax")


def proven(request: HttpRequest, community: Community) -> PhoneVerification | None:
    """The verification of the number that this browser has proven here."""
    return _recall(request, PROVEN, community, age=SESSION, verified_at__gt=_ago(SESSION))


def awaited(request: HttpRequest, community: Community) -> PhoneVerification | None:
    """The verification whose code this browser is to type in."""
    return _recall(request, AWAITED, community, age=AWAITED_FOR, verified_at=None)


def _remember(
    response: HttpResponse,
    name: str,
    verification: PhoneVerification,
    community: Community,
    *,
    age: timedelta,
) -> None:
    response.set_signed_cookie(
        name,
        str(verification.pk),
        salt=_salt(name, community),
        max_age=age,
        path=PATH,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def _recall(
    request: HttpRequest, name: str, community: Community, *, age: timedelta, **state: object
) -> PhoneVerification | None:
    told = request.get_signed_cookie(name, default=None, salt=_salt(name, community), max_age=age)
    if told is None:
        return None
    rows = PhoneVerification.objects.filter(enterprise=community.enterprise_id, **state)
    return rows.filter(pk=int(told)).first()


def _salt(name: str, community: Community) -> str:
    return f"members.pages.{name}.{community.enterprise_id}"


def _ago(age: timedelta) -> object:
    return timezone.now() - age
