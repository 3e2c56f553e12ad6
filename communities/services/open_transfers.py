"""A hand-over under lock, and whether this is the moment for a step."""

from __future__ import annotations

from collections.abc import Collection

from django.utils.translation import gettext as _

from communities.errors import TransferNotOpen, TransferReasonMissing
from communities.models import OwnershipTransfer
from scrm.accounts.models import User
from scrm.accounts.services.users import lock_accounts_of


def locked_transfer(transfer_id: int, *, actor: User | None) -> OwnershipTransfer:
    """For what lets go of things: the row alone is the lock."""
    seen = OwnershipTransfer.objects
    rows = seen.all() if actor is None else seen.visible_to(actor)
    return rows.select_for_update(no_key=True, of=("self",)).get(pk=transfer_id)


def locked_plan(transfer_id: int, *, actor: User | None) -> OwnershipTransfer:
    """For what takes hold of things: plans of an enterprise are made one after the other, and
    nobody leaves meanwhile."""
    home = OwnershipTransfer.objects.values_list("enterprise_id", flat=True).get(pk=transfer_id)
    lock_accounts_of(home)
    return locked_transfer(transfer_id, actor=actor)


def refuse_unless(transfer: OwnershipTransfer, moments: Collection[str], why: str) -> None:
    """Refuse what is not possible in the status of the hand-over. Raises ``TransferNotOpen``."""
    if transfer.status not in moments:
        raise TransferNotOpen(
            _("这次转让“%(status)s”：%(why)s")
            % {"status": transfer.get_status_display(), "why": why},
            details={"status": transfer.status},
        )


def stated(reason: str, ask: str) -> str:
    """A reason that says something. Raises ``TransferReasonMissing``."""
    if not reason.strip():
        raise TransferReasonMissing(ask)
    return reason.strip()[:300]
