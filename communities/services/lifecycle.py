"""The life of a community, from draft to archive."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from communities.errors import CannotMove
from communities.models import Community
from communities.rules.status import CommunityStatus, may_become
from communities.services.founding import refuse_unstated
from communities.signals import community_moved
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit


@transaction.atomic
def move_community(community_id: int, *, target: str, actor: User | None) -> Community:
    """Take a community to its next status. Draft is left only stated, owned and with a policy."""
    community = Community.objects.select_for_update(no_key=True).get(pk=community_id)
    before = community.status
    if not may_become(before, target):
        raise CannotMove(
            _("“%(before)s”的社群不能变为“%(after)s”。")
            % {
                "before": community.get_status_display(),
                "after": dict(CommunityStatus.choices).get(target, target),
            },
            details={"status": before, "target": target},
        )
    if before == CommunityStatus.DRAFT and target != CommunityStatus.CANCELLED:
        has_policy = community.entry_policies.active().exists()
        refuse_unstated(
            community,
            also={"entry_policy": "" if has_policy else _("选定准入规则（开放也是一种）")},
        )
    community.status = target
    community.save(update_fields=["status"])
    record_audit(
        actor,
        verb="move_community",
        subject=community,
        before={"status": before},
        after={"status": target},
    )
    community_moved.send(sender=Community, community_id=community.pk, before=before, after=target)
    return community
