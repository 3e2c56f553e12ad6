"""Giving chats back to those who had them, as long as the platform allows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery
from django.utils.translation import gettext as _

from communities.errors import NothingToChange, ReturnTooLate
from communities.models import OwnershipTransfer, TransferItem
from communities.models.transfer import TransferItemQuerySet
from communities.rules.transfers import ItemState, Route, Selection, Subject
from communities.services.transfers.locking import locked_transfer
from communities.services.transfers.planning import add_chats, preflight
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.limits import RETURN_DAYS
from scrm.wecom.services.platform_clock import platform_now


@transaction.atomic
def return_transfer(
    transfer_id: int, *, actor: User, item_ids: Sequence[int] | None = None
) -> OwnershipTransfer:
    """A draft of the way back: chats handed over on the job within the last ``RETURN_DAYS`` days,
    still with whoever received them, each to the one who gave it.

    Raises ``NothingToChange``, ``ReturnTooLate``.
    """
    transfer = locked_transfer(transfer_id, actor=actor)
    named = transfer.items.all() if item_ids is None else transfer.items.filter(pk__in=item_ids)
    given = named.filter(
        subject=Subject.CHAT,
        route=Route.ON_JOB,
        state=ItemState.VERIFIED,
        chat__owner=F("receiver"),
    )
    if not given.exists():
        raise NothingToChange(
            _("没有可以转回的群：只有在职转让并已核对、仍在接手人名下的群才可以。")
        )
    recent = given.filter(_recent(given))
    if not recent.exists():
        raise ReturnTooLate(
            _("转让完成已超过 %(days)d 天，不能再转回：请新建一次转让。") % {"days": RETURN_DAYS}
        )
    return _drafted(transfer, recent, actor=actor)


def _recent(given: TransferItemQuerySet) -> Q:
    """Verified not too long ago, by the clock of each company."""
    recent = Q(pk__in=[])
    accounts = given.order_by().values("chat__channel_account").distinct()
    for connection in WecomConnection.objects.filter(account__in=accounts):
        since = platform_now(connection) - timedelta(days=RETURN_DAYS)
        recent |= Q(chat__channel_account=connection.account_id, verified_at__gte=since)
    return recent


def _drafted(
    transfer: OwnershipTransfer, items: TransferItemQuerySet, *, actor: User
) -> OwnershipTransfer:
    back = OwnershipTransfer.objects.create(
        enterprise_id=transfer.enterprise_id,
        return_of=transfer,
        reason=_("转回：%(transfer)s") % {"transfer": transfer},
        created_by=actor,
        planned_by=actor,
    )
    add_chats(back, list(items.values_list("chat", flat=True)))
    giver = TransferItem.objects.filter(transfer=transfer, chat=OuterRef("chat"))
    back.items.update(receiver=Subquery(giver.values("giver")), selection=Selection.CHOSEN)
    preflight(back.pk)
    record_audit(
        actor,
        verb="return_transfer",
        subject=back,
        after={"return_of": transfer, "count": back.items.count()},
    )
    back.refresh_from_db()
    return back
