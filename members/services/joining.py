"""Wishing to enter a community: by oneself, by invitation, and no longer."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from communities.models import Community, EntryPolicy, JoinWay
from communities.rules.kinds import EntryMode
from members.errors import (
    AlreadyApplied,
    AlreadyMember,
    BelongsElsewhere,
    NotInviteOnly,
    NotOpenForEntry,
)
from members.models import EntryApplication, Member, Membership
from members.rules.status import OPEN_APPLICATION, ApplicationStatus
from members.services.applications import decide, locked_application, record, refuse_closed
from members.services.deciding import evaluate
from scrm.accounts.models import User
from scrm.shared.errors import refusing


@transaction.atomic
def apply_for_entry(
    member: Member,
    *,
    community: Community,
    source: str,
    actor: User | None,
    join_way: JoinWay | None = None,
) -> EntryApplication:
    """Decide by the rules of the community, and on a yes take a seat at once.

    A no is a row as well: it says which clause failed, what was asked and what was found. Where
    the policy asks for photos, the application waits for them, and then for a person. The chats
    of ``join_way`` are tried first.
    """
    application = _submit(member, community=community, source=source, join_way=join_way)
    evaluate(application, is_invited=False, actor=None)
    record(application, verb="apply_for_entry", actor=actor)
    return application


@transaction.atomic
def invite_member(
    member: Member, *, community: Community, source: str, actor: User
) -> EntryApplication:
    """Let somebody into a community that admits by invitation only. The tier still counts."""
    application = _submit(member, community=community, source=source, is_invited=True)
    evaluate(application, is_invited=True, actor=actor)
    record(application, verb="invite_member", actor=actor)
    return application


@transaction.atomic
def withdraw_application(application_id: int, *, actor: User | None) -> EntryApplication:
    """Take back an application that is not decided yet or waits for a seat."""
    application = locked_application(application_id)
    decide(application, ApplicationStatus.WITHDRAWN, actor=actor, reason="")
    record(application, verb="withdraw_application", actor=actor)
    return application


def _submit(
    member: Member,
    *,
    community: Community,
    source: str,
    join_way: JoinWay | None = None,
    is_invited: bool = False,
) -> EntryApplication:
    """The application as it is handed in, with the community locked."""
    community = (
        Community.objects.select_for_update(no_key=True, of=("self",))
        .select_related("minimum_tier")
        .get(pk=community.pk)
    )
    policy = _policy_of(community)
    _refuse_entry(member, community, policy, is_invited=is_invited)
    if join_way is not None and join_way.community_id != community.pk:
        join_way = None  # a link of another community leads here, but to none of our chats
    with refusing(_already_applied(), constraint="one_open_application"):
        return EntryApplication.objects.create(
            enterprise_id=community.enterprise_id,
            community=community,
            member=member,
            policy=policy,
            source=source,
            join_way=join_way,
            status=ApplicationStatus.SUBMITTED,
        )


def _policy_of(community: Community) -> EntryPolicy:
    refuse_closed(community)
    policy = community.entry_policies.active().first()
    if policy is None:
        raise NotOpenForEntry(_("社群没有生效的准入规则，请先设定。"))
    return policy


def _refuse_entry(
    member: Member, community: Community, policy: EntryPolicy, *, is_invited: bool
) -> None:
    if member.enterprise_id != community.enterprise_id:
        raise BelongsElsewhere(_("成员和社群不属于同一家企业。"))
    if is_invited and policy.mode != EntryMode.INVITE_ONLY:
        raise NotInviteOnly(_("这个社群不是邀请制，请走入群申请。"))
    if Membership.objects.active().filter(member=member, community=community).exists():
        raise AlreadyMember(_("这位成员已在社群中，不需要再申请。"))
    # a refusal that may still be undone is not over yet
    lasting = Q(status__in=OPEN_APPLICATION) | Q(settles_at__isnull=False)
    former = EntryApplication.objects.filter(lasting, member=member, community=community).first()
    if former is not None:
        raise _already_applied(former)


def _already_applied(former: EntryApplication | None = None) -> AlreadyApplied:
    return AlreadyApplied(
        _("这位成员已有一个未结束的申请，请先审核或撤回它。"),
        details=None if former is None else {"application": former.pk, "status": former.status},
    )
