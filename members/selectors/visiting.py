"""What the public join page shows to somebody who has proven a phone number."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Prefetch

from communities.models import (
    ClassificationAxis,
    ClassificationValue,
    Community,
    EntryPolicy,
    GroupChat,
)
from members.models import EntryApplication, Evidence, Member, Membership, PhoneVerification, Stay
from members.models.member import IdentityKind
from members.rules.standing import EvidenceStatus
from members.rules.visiting import VisitStep, step_of
from members.selectors.evidence import missing_evidence


@dataclass(frozen=True, slots=True)
class Visit:
    """How a visitor stands to a community."""

    step: VisitStep
    member: Member | None = None
    application: EntryApplication | None = None
    chat: GroupChat | None = None


@dataclass(frozen=True, slots=True)
class PhotoAsked:
    """One photo that the application needs: which values it can prove, and what was sent."""

    axis: ClassificationAxis
    choices: list[tuple[int, str]]
    sent: Evidence | None
    upload_count: int


def community_of_page(slug: str) -> Community | None:
    rows = Community.objects.select_related("enterprise", "minimum_tier")
    return rows.filter(join_slug=slug).first()


def policy_of_page(community: Community) -> EntryPolicy | None:
    axes = Prefetch("evidence_axes", ClassificationAxis.objects.order_by("code", "pk"))
    return community.entry_policies.active().prefetch_related(axes).first()


def member_with_phone(verification: PhoneVerification) -> Member | None:
    return Member.objects.filter(
        enterprise=verification.enterprise_id,
        identities__kind=IdentityKind.PHONE,
        identities__digest=verification.phone_digest,
    ).first()


def visit_of(verification: PhoneVerification, community: Community) -> Visit:
    member = member_with_phone(verification)
    if member is None:
        return Visit(VisitStep.APPLY)
    membership = Membership.objects.active().filter(member=member, community=community).first()
    if membership is not None:
        return Visit(VisitStep.JOINED, member, chat=_chat_of(membership))
    applications = EntryApplication.objects.filter(member=member, community=community)
    latest = applications.select_related("policy").order_by("-pk").first()
    if latest is None:
        return Visit(VisitStep.APPLY, member)
    return Visit(step_of(latest.status, settles=latest.settles_at is not None), member, latest)


def photos_asked(application: EntryApplication) -> list[PhotoAsked]:
    """Every axis for which a photo is still to come, or was sent and can be changed."""
    sent = list(application.evidence.select_related("value").order_by("pk"))
    axes = {axis.pk: axis for axis in missing_evidence(application)}
    pending = [one for one in sent if one.status == EvidenceStatus.PENDING]
    wanted = set(axes) | {one.value.axis_id for one in pending}
    named = ClassificationAxis.objects.filter(pk__in=wanted).order_by("code", "pk")
    return [
        PhotoAsked(
            axis=axis,
            choices=value_choices(axis),
            sent=next((one for one in pending if one.value.axis_id == axis.pk), None),
            upload_count=sum(one.value.axis_id == axis.pk for one in sent),
        )
        for axis in named
    ]


def value_choices(axis: ClassificationAxis) -> list[tuple[int, str]]:
    """The values with the names of those above them, as in 华东 / 上海, in the order of a tree."""
    values = {value.pk: value for value in ClassificationValue.objects.filter(axis=axis)}
    named = {}
    for value in values.values():
        names, place = [value.name], value.parent_id
        while place is not None and len(names) <= len(values):
            names.insert(0, values[place].name)
            place = values[place].parent_id
        named[value.pk] = " / ".join(names)
    return sorted(named.items(), key=lambda item: (item[1], item[0]))


def _chat_of(membership: Membership) -> GroupChat | None:
    stay = (
        Stay.objects.filter(membership=membership, left_at=None)
        .select_related("chat")
        .order_by("-joined_at", "-pk")
        .first()
    )
    return None if stay is None else stay.chat
