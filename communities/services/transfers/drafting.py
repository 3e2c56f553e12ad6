"""What a person picks to be handed over: only what they may see, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from communities.errors import BelongsElsewhere, NothingChosen
from communities.handlers import CustomerOfStaff, customer_book
from communities.models import Community, GroupChat, OwnershipTransfer
from communities.services.belonging import refuse_strangers
from communities.services.transfers.planning import add_chats, add_communities, add_customers
from scrm.accounts.models import Department, Staff, User
from scrm.accounts.rules.roles import DataScope


def pick_chats(
    transfer: OwnershipTransfer,
    chats: QuerySet[GroupChat] | Iterable[GroupChat],
    *,
    actor: User | None,
) -> None:
    ids = {chat.pk for chat in chats}
    if not ids:
        return
    seen = GroupChat.objects.filter(enterprise_id=transfer.enterprise_id)
    if actor is not None:
        seen = seen.visible_to(actor)
    _refuse_unseen(len(ids), seen.filter(pk__in=ids).count(), _("群"))
    add_chats(transfer, ids)


def pick_communities(
    transfer: OwnershipTransfer, communities: Iterable[Community], *, actor: User | None
) -> None:
    ids = {community.pk for community in communities}
    if not ids:
        return
    seen = Community.objects.filter(enterprise_id=transfer.enterprise_id)
    if actor is not None:
        seen = seen.visible_to(actor)
    _refuse_unseen(len(ids), seen.filter(pk__in=ids).count(), _("社群"))
    add_communities(transfer, ids)


def pick_customers(
    transfer: OwnershipTransfer,
    giver: Staff,
    customers: Sequence[CustomerOfStaff],
    *,
    actor: User | None,
) -> None:
    """These customers of a colleague; without any named, all of theirs."""
    refuse_out_of_reach(transfer.enterprise_id, giver, actor=actor)
    wanted = set(customers)
    for some in customer_book().of_staff(giver.pk):
        mine = [each for each in some if each in wanted] if customers else some
        add_customers(transfer, giver.pk, mine)
        wanted.difference_update(mine)
    if wanted:
        raise BelongsElsewhere(
            _("有 %(count)d 位客户不在“%(staff)s”名下，请重新选择。")
            % {"count": len(wanted), "staff": giver},
        )


def pick_everything(transfer: OwnershipTransfer, giver: Staff, *, actor: User | None) -> None:
    """All chats, communities and customers of a colleague that the actor may see."""
    refuse_out_of_reach(transfer.enterprise_id, giver, actor=actor)
    chats = GroupChat.objects.filter(enterprise_id=transfer.enterprise_id)
    communities = Community.objects.filter(enterprise_id=transfer.enterprise_id)
    if actor is not None:
        chats, communities = chats.visible_to(actor), communities.visible_to(actor)
    add_chats(transfer, chats.live().filter(owner=giver))
    named = communities.filter(Q(owner=giver) | Q(adviser=giver) | Q(backup_owner=giver))
    add_communities(transfer, named.values_list("pk", flat=True), giver_id=giver.pk)
    pick_customers(transfer, giver, (), actor=actor)


def refuse_out_of_reach(enterprise_id: int, giver: Staff, *, actor: User | None) -> None:
    """Nobody hands over the customers of colleagues beyond their data scope."""
    refuse_strangers(enterprise_id, [giver])
    if actor is None or actor.data_scope == DataScope.ALL or giver.pk == actor.staff_id:
        return
    mine = Department.objects.none()
    if actor.data_scope == DataScope.DEPARTMENT_TREE:
        mine = Department.objects.below(actor.staff)
    if giver.department_id is None or not mine.filter(pk=giver.department_id).exists():
        raise BelongsElsewhere(_("“%(staff)s”不在您的数据范围内。") % {"staff": giver})


def refuse_empty(transfer: OwnershipTransfer) -> None:
    if not transfer.items.exists():
        raise NothingChosen(_("没有可以转让的内容：请选择群、客户或社群，群要有已知的群主。"))


def _refuse_unseen(wanted: int, seen: int, what: str) -> None:
    if seen != wanted:
        raise BelongsElsewhere(
            _("有 %(count)d 个%(what)s不存在或您看不到，请重新选择。")
            % {"count": wanted - seen, "what": what}
        )
