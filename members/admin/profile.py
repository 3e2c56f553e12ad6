"""The panel above a member's form: worth, behaviour, risk with reasons, and twelve weeks at a
glance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from members.models import ChurnScore, Member, MemberValue
from members.rules.churn import RiskBand, reason_in_words
from members.selectors.profiles import Profile, StripDay, profile_of
from scrm.accounts.admin_scope import admin_user
from scrm.shared.money import in_yuan

TONES = {RiskBand.LOW: "good", RiskBand.MEDIUM: "warning", RiskBand.HIGH: "danger"}
#: From so many signs of life on a day is as dark as the strip gets.
STEPS = (1, 3, 6, 12)


@dataclass(frozen=True)
class Worth:
    segment: str
    scores: str
    behaviour: str
    clv: str
    spent: str
    spent_year: str
    purchases: str
    alive: str
    computed_on: date
    model_version: str


@dataclass(frozen=True)
class Risk:
    community: str
    percent: int
    tone: str
    band: str
    reasons: list[str]
    scored_on: date
    last_active_on: date | None


@dataclass(frozen=True)
class Square:
    """A day of the strip. ``level`` is 0 to 4, or -1 where nobody measured."""

    level: int
    words: str


@dataclass(frozen=True)
class Panel:
    is_allowed: bool
    worth: Worth | None
    risks: list[Risk]
    strip: list[list[Square]]
    active_days: int
    measured_days: int
    quality: str


def panel_of(request: HttpRequest, member: Member) -> Panel | None:
    """None for somebody of whom nothing may be known any more."""
    if member.erased_at is not None:
        return None
    user = admin_user(request)
    today = timezone.now().astimezone(member.enterprise.zone).date()
    profile = profile_of(member, user=user, today=today)
    return Panel(
        is_allowed=profile.is_allowed,
        worth=worth_of(profile.value) if profile.value else None,
        risks=[risk_of(score) for score in profile.scores],
        strip=weeks_of(profile),
        active_days=sum(bool(one.count) for one in profile.strip),
        measured_days=sum(one.count is not None for one in profile.strip),
        quality=page_of("campaigns_churnalert_quality"),
    )


def page_of(name: str) -> str:
    """A page of an app above, where it is installed."""
    try:
        return reverse(f"admin:{name}")
    except NoReverseMatch:
        return ""


def worth_of(value: MemberValue) -> Worth:
    facts = {"r": value.recency, "f": value.frequency, "m": value.monetary}
    expected = value.expected_purchases
    return Worth(
        segment=str(value.get_segment_display()) or _("还没有分群"),
        scores=_("R%(r)d · F%(f)d · M%(m)d") % facts if value.recency else "",
        behaviour=str(value.get_behaviour_display()),
        clv=_("无法估计") if value.clv_amount is None else in_yuan(value.clv_amount),
        spent=in_yuan(value.spent_amount),
        spent_year=in_yuan(value.spent_year_amount),
        purchases=purchases_in_words(value),
        alive=""
        if value.alive is None or expected is None
        else _("仍是顾客的概率 %(alive)s%%，未来 12 个月预计 %(times).1f 个购买日")
        % {"alive": round(100 * value.alive), "times": expected},
        computed_on=value.computed_on,
        model_version=value.model_version,
    )


def purchases_in_words(value: MemberValue) -> str:
    if not value.purchase_days or value.last_purchase_on is None:
        return _("没有购买过")
    last = date_format(value.last_purchase_on, "Y-m-d")
    return _("%(days)d 个购买日，最近 %(last)s") % {"days": value.purchase_days, "last": last}


def risk_of(score: ChurnScore) -> Risk:
    return Risk(
        community=score.community.name,
        percent=round(100 * score.probability),
        tone=TONES.get(RiskBand(score.band), ""),
        band=str(score.get_band_display()),
        reasons=[reason_in_words(reason) for reason in score.reasons],
        scored_on=score.scored_on,
        last_active_on=score.last_active_on,
    )


def weeks_of(profile: Profile) -> list[list[Square]]:
    squares = [square_of(one) for one in profile.strip]
    return [squares[at : at + 7] for at in range(0, len(squares), 7)]


def square_of(one: StripDay) -> Square:
    day = date_format(one.day, "m-d")
    if one.count is None:
        return Square(-1, _("%(day)s：没有数据") % {"day": day})
    if not one.count:
        return Square(0, _("%(day)s：沉默") % {"day": day})
    level = sum(one.count >= step for step in STEPS)
    return Square(level, _("%(day)s：%(count)d 次互动") % {"day": day, "count": one.count})


class ProfilePanel:
    """The page of a member with its panel."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        page: Any = super()
        member = page.get_object(request, object_id) if object_id else None
        panel = panel_of(request, member) if member is not None else None
        context = {**(extra_context or {}), "profile": panel}
        return page.changeform_view(request, object_id, form_url, context)
