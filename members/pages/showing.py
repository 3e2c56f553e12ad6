"""What stands on the join page, for whoever looks at it."""

from __future__ import annotations

from urllib.parse import urlencode

import segno
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from communities.models import Community, EntryPolicy
from communities.rules.join_ways import is_code
from communities.rules.kinds import BY_RULE, EntryMode
from communities.rules.status import OPEN_FOR_ENTRY
from members.channels.verification import code_channel
from members.criteria import explain, names_of
from members.models import EntryApplication, PhoneVerification
from members.rules.consent_texts import evidence_text
from members.rules.phones import masked
from members.rules.photos import UPLOADS_PER_AXIS
from members.rules.visiting import ENDED_STEPS, OPEN_STEPS, VisitStep
from members.selectors.visiting import Visit, photos_asked, policy_of_page
from scrm.shared.criterion_words import describe_stored

STEPS = ("page", "code", "confirm", "apply", "photo", "withdraw", "leave")
REFRESH_SECONDS = 20  # of a page on which somebody waits
RESEND_SECONDS = 60

type Context = dict[str, object]


def via_of(request: HttpRequest) -> str:
    """The code of the join way that led here; kept in the address from page to page."""
    code = request.GET.get("via", "").lower()
    return code if is_code(code) else ""


def address(name: str, community: Community, *, via: str) -> str:
    path = reverse(f"join:{name}", args=[community.join_slug])
    return f"{path}?{urlencode({'via': via})}" if via else path


def page_of(
    community: Community,
    *,
    via: str,
    waiting: PhoneVerification | None,
    verification: PhoneVerification | None,
    visit: Visit | None,
) -> Context:
    policy = policy_of_page(community)
    channel = code_channel()
    number = waiting or verification
    is_open = policy is not None and community.status in OPEN_FOR_ENTRY
    return {
        "community": community,
        "facts": facts_of(community, policy),
        "is_open": is_open,
        "by_invitation": policy is not None and policy.mode == EntryMode.INVITE_ONLY,
        "can_verify": channel is not None,
        "is_demo": channel is not None and channel.shows_code,
        "to": {name: address(name, community, via=via) for name in STEPS},
        "step": "code" if waiting else str(visit.step) if visit else "phone",
        "phone": masked(number.phone) if number else "",
        "demo_code": waiting.sandbox_code if waiting and channel and channel.shows_code else "",
        "resend_seconds": RESEND_SECONDS,
        **(_of_visit(visit, is_open=is_open) if visit else {}),
    }


def facts_of(community: Community, policy: EntryPolicy | None) -> list[tuple[str, list[str]]]:
    """For whom, what for, and what it takes, each under its heading."""
    facts = [
        (_("什么人"), [community.audience_statement]),
        (_("做什么事"), [community.purpose_statement]),
    ]
    if policy is None:
        return facts
    facts.append((_("入群门槛"), _thresholds(community, policy)))
    photos = [
        _("一张能证明“%(axis)s”的照片") % {"axis": axis.name} for axis in policy.evidence_axes.all()
    ]
    if photos:
        facts.append((_("需要的照片"), photos))
    return facts


def _thresholds(community: Community, policy: EntryPolicy) -> list[str]:
    enterprise_id = community.enterprise_id
    lines = []
    tier = community.minimum_tier
    if tier is not None:
        rule = describe_stored(tier.criterion, enterprise_id=enterprise_id)
        lines.append(_("达到“%(tier)s”：%(rule)s") % {"tier": tier.name, "rule": rule})
    if policy.mode in BY_RULE:
        lines.append(describe_stored(policy.criterion, enterprise_id=enterprise_id))
    if policy.mode == EntryMode.INVITE_ONLY:
        lines.append(_("只接受邀请"))
    if policy.mode == EntryMode.RULE_AND_REVIEW:
        hours = {"hours": policy.review_hours}
        lines.append(_("由工作人员审核，一般 %(hours)d 小时内有结果") % hours)
    if not lines and policy.evidence_axes.all():
        return [_("照片经工作人员看过即可加入")]
    return lines or [_("不设门槛，申请即可加入")]


def _of_visit(visit: Visit, *, is_open: bool) -> Context:
    application, step = visit.application, visit.step
    chat_url = visit.chat.join_url if visit.chat else ""
    return {
        "nickname": visit.member.nickname if visit.member else "",
        "is_new": visit.member is None,
        "application": application,
        "clauses": _clauses(application) if application else [],
        "reason": _reason(application, step) if application else "",
        "photos": photos_asked(application) if application and step == VisitStep.PHOTOS else [],
        "upload_limit": UPLOADS_PER_AXIS,
        "consent": evidence_text(),
        "can_apply": is_open and step in ENDED_STEPS,
        "can_withdraw": step in OPEN_STEPS,
        "waits": step in OPEN_STEPS - {VisitStep.PHOTOS},
        "refresh_seconds": REFRESH_SECONDS,
        "chat": visit.chat,
        "chat_url": chat_url,
        "chat_code": qr_code(chat_url) if chat_url else "",
    }


def _clauses(application: EntryApplication) -> list[dict[str, object]]:
    names = names_of(application.clauses, enterprise_id=application.enterprise_id)
    return [
        {"text": explain(clause, names=names), "state": _state(clause)}
        for clause in application.clauses
    ]


def _state(clause: dict[str, object]) -> str:
    """What rests on a photo that nobody has approved is neither met nor failed."""
    if clause.get("provisional"):
        return "waiting"
    return "passed" if clause.get("passed") else "failed"


def _reason(application: EntryApplication, step: VisitStep) -> str:
    """What a person wrote for the applicant; what a rule found stands clause by clause."""
    if step == VisitStep.REFUSED and (application.decided_by_id or not application.clauses):
        return application.reason
    return application.reason if step == VisitStep.SEAT else ""


def qr_code(text: str) -> SafeString:
    """A QR code to stand in the page: its markup holds nothing but the squares."""
    code = segno.make(text, error="m", micro=False)
    return mark_safe(code.svg_inline(border=2, omitsize=True, svgclass="qr", lineclass=None))  # noqa: S308
