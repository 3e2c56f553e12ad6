"""How many messages somebody gets at most in a window."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import CapTaken, ServiceHasNoCap
from campaigns.models import FrequencyCap
from communities.rules.kinds import ContentCategory
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing

FIELDS = ("target", "category", "window", "limit")


@transaction.atomic
def create_cap(
    *, actor: User, target: str, window: str, limit: int, category: str = ""
) -> FrequencyCap:
    """``limit`` 0 means "no limit". Without a category it counts all but service messages."""
    if category == ContentCategory.SERVICE:
        raise ServiceHasNoCap(_("服务类消息不受频次限制。"))
    cap = FrequencyCap(
        enterprise_id=actor.enterprise_id,
        target=target,
        category=category,
        window=window,
        limit=limit,
    )
    taken = CapTaken(_("这类消息在这段时间里已有上限，请修改它。"))
    with refusing(taken, constraint="one_cap_per_category_and_window"):
        cap.save(force_insert=True)
    record_audit(actor, verb="create_frequency_cap", subject=cap, after=snapshot(cap, FIELDS))
    return cap


@transaction.atomic
def edit_cap(cap_id: int, *, actor: User, limit: int | None = None) -> FrequencyCap:
    """In force at once, also for what is being sent. None leaves it as it is."""
    cap = FrequencyCap.objects.select_for_update(no_key=True).get(pk=cap_id)
    before = snapshot(cap, FIELDS)
    cap.limit = cap.limit if limit is None else limit
    after = snapshot(cap, FIELDS)
    if after == before:
        return cap
    cap.save(update_fields=["limit"])
    record_audit(actor, verb="edit_frequency_cap", subject=cap, before=before, after=after)
    return cap


@transaction.atomic
def remove_cap(cap_id: int, *, actor: User) -> None:
    """The audit record keeps what it was."""
    cap = FrequencyCap.objects.select_for_update(no_key=True).get(pk=cap_id)
    record_audit(actor, verb="remove_frequency_cap", subject=cap, before=snapshot(cap, FIELDS))
    cap.delete()
