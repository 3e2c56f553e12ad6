"""The public page of a community, /join/SLUG: who it is for, asking to be let in, and the answer.

Nobody signs in. A browser is known by a phone number that was proven on this page, and acts only
for the member with that number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _

from communities.models import ClassificationValue, Community, JoinWay
from communities.rules.status import CommunityStatus
from communities.selectors import join_way_by_code
from members.errors import AlreadyApplied, AlreadyMember
from members.models import EntryApplication, PhoneVerification
from members.pages.doors import join_door, notice, unknown
from members.pages.forms import CodeForm, NicknameForm, PhoneForm, PhotoForm, first_error
from members.pages.sessions import awaited, forget, proven, remember_awaited, remember_proven
from members.pages.showing import address, page_of, via_of
from members.rules.photos import MAX_BYTES
from members.rules.visiting import OPEN_STEPS
from members.selectors.visiting import Visit, community_of_page, member_with_phone, visit_of
from members.services.joining import withdraw_application
from members.services.verifying_phones import confirm_code, request_code
from members.services.visiting import apply_as_visitor, hand_in_photo
from scrm.shared.errors import DomainError, InvalidInput
from scrm.shared.rate_limits import Limit, client_of

PHOTO_BODY = MAX_BYTES + 64 * 1024  # with what a form adds
APPLICATIONS = Limit("applications of a client", 20, 3600)
UPLOADS = Limit("uploads of a client", 30, 3600)

HIDDEN = frozenset({CommunityStatus.DRAFT, CommunityStatus.CANCELLED})
OVER = frozenset({CommunityStatus.CLOSING, CommunityStatus.DISSOLVED, CommunityStatus.ARCHIVED})

type PageView = Callable[[HttpRequest, Community], HttpResponse]
type VisitView = Callable[[HttpRequest, Community, PhoneVerification], HttpResponse]


def of_community(view: PageView) -> Callable[..., HttpResponse]:
    """The community of the address, or a page that tells nothing about it."""

    @wraps(view)
    def found(request: HttpRequest, slug: str) -> HttpResponse:
        community = community_of_page(slug)
        if community is None or community.status in HIDDEN:
            return unknown(request)
        if community.status in OVER:
            return notice(request, _("已经结束"), _("这个社群不再接收新成员。"))
        return view(request, community)

    return found


def of_visitor(view: VisitView) -> Callable[..., HttpResponse]:
    """For who has proven a number; everybody else begins on the first page."""

    @of_community
    @wraps(view)
    def known(request: HttpRequest, community: Community) -> HttpResponse:
        verification = proven(request, community)
        if verification is None:
            return _see(request, community, "page")
        return view(request, community, verification)

    return known


@join_door("GET", "HEAD")
@of_community
def page(request: HttpRequest, community: Community) -> HttpResponse:
    return _show(request, community)


@join_door("GET", "HEAD", "POST")
@of_community
def code(request: HttpRequest, community: Community) -> HttpResponse:
    """Send a code to a phone number; then ask for it."""
    waiting = awaited(request, community)
    if request.method != "POST":
        if waiting is None:
            return _see(request, community, "page")
        return _show(request, community, waiting=waiting)
    if "again" in request.POST and waiting is not None:
        phone = waiting.phone
    else:
        form = PhoneForm(request.POST)
        if not form.is_valid():
            return _show(request, community, error=first_error(form))
        phone = form.cleaned_data["phone"]
    try:
        sent = request_code(community.enterprise, phone=phone, client=client_of(request))
    except DomainError as refusal:
        return _show(request, community, error=refusal, typed=phone)
    response = _see(request, community, "code")
    remember_awaited(response, sent, community)
    return response


@join_door("POST")
@of_community
def confirm(request: HttpRequest, community: Community) -> HttpResponse:
    waiting = awaited(request, community)
    if waiting is None:
        return _see(request, community, "page")
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _show(request, community, waiting=waiting, error=first_error(form))
    try:
        verification = confirm_code(waiting.pk, code=form.cleaned_data["code"])
    except DomainError as refusal:
        return _show(request, community, waiting=waiting, error=refusal)
    response = _see(request, community, "page")
    remember_proven(response, verification, community)
    return response


@join_door("POST", limit=APPLICATIONS)
@of_visitor
def apply(
    request: HttpRequest, community: Community, verification: PhoneVerification
) -> HttpResponse:
    nickname = ""
    if member_with_phone(verification) is None:
        form = NicknameForm(request.POST)
        if not form.is_valid():
            typed = request.POST.get("nickname", "")[:60]
            return _show(request, community, error=first_error(form), typed=typed)
        nickname = form.cleaned_data["nickname"]
    try:
        apply_as_visitor(
            verification,
            community=community,
            nickname=nickname,
            join_way=_join_way(request, community),
        )
    except (AlreadyApplied, AlreadyMember):
        return _see(request, community, "page")
    except DomainError as refusal:
        return _show(request, community, error=refusal, typed=nickname)
    return _see(request, community, "page")


@join_door("POST", limit=UPLOADS, max_body=PHOTO_BODY)
@of_visitor
def photo(
    request: HttpRequest, community: Community, verification: PhoneVerification
) -> HttpResponse:
    application = _open(visit_of(verification, community))
    if application is None:
        return unknown(request)
    form = PhotoForm(request.POST, request.FILES)
    if not form.is_valid():
        return _show(request, community, error=first_error(form))
    value = _value(community, form.cleaned_data["value"])
    if value is None:
        return _show(request, community, error=_("请选择照片证明什么。"))
    try:
        hand_in_photo(
            application,
            value=value,
            upload=form.cleaned_data["photo"],
            has_agreed=form.cleaned_data["consent"],
        )
    except DomainError as refusal:
        return _show(request, community, error=refusal)
    return _see(request, community, "page")


@join_door("POST")
@of_visitor
def withdraw(
    request: HttpRequest, community: Community, verification: PhoneVerification
) -> HttpResponse:
    application = _open(visit_of(verification, community))
    if application is None:
        return unknown(request)
    try:
        withdraw_application(application.pk, actor=None)
    except DomainError as refusal:
        return _show(request, community, error=refusal)
    return _see(request, community, "page")


@join_door("POST")
@of_community
def leave(request: HttpRequest, community: Community) -> HttpResponse:
    """Forget the number on this browser, to go on with another one."""
    response = _see(request, community, "page")
    forget(response)
    return response


def _show(
    request: HttpRequest,
    community: Community,
    *,
    waiting: PhoneVerification | None = None,
    error: DomainError | str = "",
    typed: str = "",
) -> HttpResponse:
    """The page as it is for this browser, with what went wrong."""
    verification = None if waiting is not None else proven(request, community)
    visit = None if verification is None else visit_of(verification, community)
    context = page_of(
        community, via=via_of(request), waiting=waiting, verification=verification, visit=visit
    )
    context |= {
        "error": getattr(error, "message", error),
        "typed": typed,
        "chosen": request.POST.get("value", ""),
        "has_agreed": "consent" in request.POST,
    }
    return render(request, "members/join/page.html", context, status=_status(error))


def _status(error: DomainError | str) -> HTTPStatus:
    if isinstance(error, DomainError) and not isinstance(error, InvalidInput):
        return HTTPStatus.CONFLICT
    return HTTPStatus.BAD_REQUEST if error else HTTPStatus.OK


def _see(request: HttpRequest, community: Community, name: str) -> HttpResponse:
    response = HttpResponseRedirect(address(name, community, via=via_of(request)))
    response.status_code = HTTPStatus.SEE_OTHER
    return response


def _open(visit: Visit) -> EntryApplication | None:
    return visit.application if visit.step in OPEN_STEPS else None


def _join_way(request: HttpRequest, community: Community) -> JoinWay | None:
    way = join_way_by_code(via_of(request))
    return way if way is not None and way.community_id == community.pk else None


def _value(community: Community, value_id: int) -> ClassificationValue | None:
    rows = ClassificationValue.objects.select_related("axis")
    return rows.filter(pk=value_id, axis__enterprise=community.enterprise_id).first()
