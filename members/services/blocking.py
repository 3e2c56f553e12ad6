"""The blocklist: who is not let in, whatever the rules or a reviewer say."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community
from members.errors import (
    AlreadyBlocked,
    AlreadyUnblocked,
    BelongsElsewhere,
    BlockIsOver,
    BlockTooWide,
    ReasonMissing,
)
from members.models import BlocklistEntry, EntryApplication, Member
from members.rules.status import OPEN_APPLICATION
from members.services.admitting import reject_as_blocked
from members.services.applications import locked_application
from scrm.accounts.models import User
from scrm.accounts.rules.roles import DataScope
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing

FIELDS = ("member", "community", "reason", "expires_at", "lifted_at")


@transaction.atomic
def block_member(
    member: Member,
    *,
    reason: str,
    actor: User,
    community: Community | None = None,
    expires_at: datetime | None = None,
) -> BlocklistEntry:
    """Keep somebody out of one community, or of all of them. Open applications are rejected;
    memberships go on, because leaving is a decision of its own."""
    _refuse_block(member, community, reason=reason, expires_at=expires_at, actor=actor)
    same = BlocklistEntry.objects.filter(member=member, community=community, lifted_at=None)
    same.filter(expires_at__lte=Now()).update(lifted_at=F("expires_at"))
    with refusing(
        AlreadyBlocked(_("这位成员已在黑名单里。")),
        constraint="one_block_per_member_and_community",
    ):
        entry = BlocklistEntry.objects.create(
            enterprise_id=member.enterprise_id,
            member=member,
            community=community,
            reason=reason.strip(),
            blocked_by=actor,
            expires_at=expires_at,
        )
    _reject_open_applications(entry, actor=actor)
    record_audit(actor, verb="block_member", subject=entry, after=snapshot(entry, FIELDS))
    return entry


@transaction.atomic
def unblock_member(entry_id: int, *, actor: User) -> BlocklistEntry:
    """Let somebody apply again. What was rejected stays rejected."""
    entry = BlocklistEntry.objects.select_for_update(no_key=True).get(pk=entry_id)
    _refuse_wider_than_seen(entry.community, actor)
    if entry.lifted_at is not None:
        raise AlreadyUnblocked(_("这条黑名单已解除。"))
    entry.lifted_at = Now()
    entry.save(update_fields=["lifted_at"])
    record_audit(
        actor,
        verb="unblock_member",
        subject=entry,
        before={"lifted_at": None},
        after=snapshot(entry, FIELDS),
    )
    return entry


def _refuse_block(
    member: Member,
    community: Community | None,
    *,
    reason: str,
    expires_at: datetime | None,
    actor: User,
) -> None:
    if not reason.strip():
        raise ReasonMissing(_("请写明加入黑名单的理由，同事会看到它。"))
    if community is not None and community.enterprise_id != member.enterprise_id:
        raise BelongsElsewhere(_("成员和社群不属于同一家企业。"))
    if expires_at is not None and expires_at <= timezone.now():
        raise BlockIsOver(_("到期时间必须在未来；留空表示一直有效。"))
    _refuse_wider_than_seen(community, actor)


def _refuse_wider_than_seen(community: Community | None, actor: User) -> None:
    if community is None and actor.data_scope != DataScope.ALL:
        raise BlockTooWide(_("你的数据范围只有部分社群，请选择其中一个社群。"))


def _reject_open_applications(entry: BlocklistEntry, *, actor: User) -> None:
    """In the order of their communities, because each is locked."""
    waiting = EntryApplication.objects.open().filter(member=entry.member_id)
    if entry.community_id is not None:
        waiting = waiting.filter(community=entry.community_id)
    for application_id in waiting.order_by("community", "pk").values_list("pk", flat=True):
        application = locked_application(application_id)
        if application.status in OPEN_APPLICATION:
            reject_as_blocked(application, actor=actor)
