"""What waits for one user today."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from members.rules.reviewing import urgency
from scrm.accounts.rules.roles import Capability
from scrm.desk import broadcasts, numbers, transfers
from scrm.desk.links import IN_REVIEW, MINE, changelist
from scrm.desk.numbers import Desk, Queue


@dataclass(frozen=True)
class Todo:
    """Something this user can do something about, and the list where it is done."""

    title: str
    note: str
    icon: str
    tone: str  # danger, warning or info
    link: str


def todos(desk: Desk) -> Iterator[Todo]:
    """The most pressing kinds first; only what the user's role allows to be done."""
    if desk.user.can(Capability.REVIEW_APPLICATIONS):
        yield from applications(desk)
    if desk.user.can(Capability.MANAGE_COMMUNITIES):
        yield from tasks(desk)
    if desk.user.can(Capability.WORK_ALERTS):
        yield from alerts(desk)
    if desk.user.can(Capability.APPROVE_CAMPAIGNS):
        yield from approvals(desk)
    if desk.user.can(Capability.APPROVE_TRANSFERS):
        yield from transfer_approvals(desk)
    if desk.user.can(Capability.TRANSFER_OWNERSHIP):
        yield from hand_overs(desk)
    if desk.user.can(Capability.COMPOSE_CAMPAIGNS):
        yield from sends(desk)
        yield from failures(desk)
    if desk.user.can(Capability.MANAGE_COMMUNITIES):
        yield from chats(desk)
    if desk.user.can(Capability.MANAGE_ACCOUNTS):
        yield from wecom(desk)


def applications(desk: Desk) -> Iterator[Todo]:
    queue = numbers.waiting_applications(desk)
    if not queue.count:
        return
    late = _("%(late)d 份已超过审核时限") % {"late": queue.late}
    tone = urgency(queue.due, now=desk.now)
    yield Todo(
        title=_("%(count)d 份入群申请待审核") % {"count": queue.count},
        note=late if queue.late else waited_in_words(queue, desk),
        icon="how_to_reg",
        tone="info" if tone == "success" else tone,
        link=changelist("members.entryapplication", IN_REVIEW),
    )


def tasks(desk: Desk) -> Iterator[Todo]:
    queue = numbers.open_tasks(desk)
    if not queue.count:
        return
    late = numbers.overdue_tasks(desk)
    yield Todo(
        title=_("%(count)d 件事要人来做") % {"count": queue.count},
        note=_("%(late)d 件已超时") % {"late": late} if late else waited_in_words(queue, desk),
        icon="checklist",
        tone="danger" if late else "info",
        link=changelist("accounts.operatortask"),
    )


def alerts(desk: Desk) -> Iterator[Todo]:
    queue = numbers.my_alerts(desk)
    if queue.count:
        yield Todo(
            title=_("%(count)d 位由我负责的成员可能流失") % {"count": queue.count},
            note=waited_in_words(queue, desk),
            icon="trending_down",
            tone="warning",
            link=changelist("campaigns.churnalert", MINE),
        )


def approvals(desk: Desk) -> Iterator[Todo]:
    queue = broadcasts.to_approve(desk)
    if queue.count:
        yield Todo(
            title=_("%(count)d 个群发等我审批") % {"count": queue.count},
            note=waited_in_words(queue, desk),
            icon="approval",
            tone="warning",
            link=changelist("campaigns.broadcast", broadcasts.TO_APPROVE),
        )
    stopped = broadcasts.halted(desk)
    if stopped.count:
        yield Todo(
            title=_("%(count)d 个群发被叫停") % {"count": stopped.count},
            note=_("看清原因，再恢复或取消"),
            icon="front_hand",
            tone="danger",
            link=changelist("campaigns.broadcast", broadcasts.HALTED),
        )
    contents = broadcasts.contents_to_publish(desk)
    if contents.count:
        yield Todo(
            title=_("%(count)d 份内容等审核发布") % {"count": contents.count},
            note=waited_in_words(contents, desk),
            icon="library_books",
            tone="info",
            link=changelist("campaigns.content", broadcasts.IN_CONTENT_REVIEW),
        )


def transfer_approvals(desk: Desk) -> Iterator[Todo]:
    queue = transfers.to_approve(desk)
    if queue.count:
        yield Todo(
            title=_("%(count)d 次转让等我审批") % {"count": queue.count},
            note=waited_in_words(queue, desk),
            icon="swap_horiz",
            tone="warning",
            link=changelist("communities.ownershiptransfer", transfers.TO_APPROVE),
        )
    broken = transfers.open_violations(desk)
    if broken.count:
        yield Todo(
            title=_("%(count)d 个群违规换了群主") % {"count": broken.count},
            note=waited_in_words(broken, desk),
            icon="gpp_maybe",
            tone="danger",
            link=changelist("communities.ownershipviolation", transfers.OPEN_VIOLATIONS),
        )


def hand_overs(desk: Desk) -> Iterator[Todo]:
    stuck = transfers.in_trouble(desk)
    if stuck.count:
        yield Todo(
            title=_("%(count)d 次转让有失败或不能转的") % {"count": stuck.count},
            note=_("重试、改派，或写明理由不再转"),
            icon="move_down",
            tone="danger",
            link=changelist("communities.ownershiptransfer", transfers.TROUBLED_ONLY),
        )


def sends(desk: Desk) -> Iterator[Todo]:
    missed = broadcasts.missed(desk)
    if missed.count:
        yield Todo(
            title=_("%(count)d 次群发错过了时间") % {"count": missed.count},
            note=_("补发，或者这一次不发了"),
            icon="event_busy",
            tone="danger",
            link=changelist("campaigns.run", broadcasts.ASKED),
        )
    waiting = broadcasts.unconfirmed(desk)
    if waiting.count:
        yield Todo(
            title=_("%(count)d 位群主超过一天没确认群发") % {"count": waiting.count},
            note=waited_in_words(waiting, desk),
            icon="notifications_active",
            tone="warning",
            link=changelist("campaigns.dispatch", broadcasts.AWAITING),
        )


def failures(desk: Desk) -> Iterator[Todo]:
    if failed := broadcasts.failed_recipients(desk):
        yield Todo(
            title=_("%(count)d 位收件人未送达") % {"count": failed},
            note=_("近 7 天的群发"),
            icon="error",
            tone="danger",
            link=changelist("campaigns.run"),
        )
    if failed := numbers.failed_welcomes(desk):
        yield Todo(
            title=_("%(count)d 条欢迎语未送达") % {"count": failed},
            note=_("近 7 天入群的成员"),
            icon="waving_hand",
            tone="danger",
            link=changelist("campaigns.welcomedelivery", "status__exact=failed"),
        )


def chats(desk: Desk) -> Iterator[Todo]:
    if crowded := numbers.crowded_chats(desk):
        yield Todo(
            title=_("%(count)d 个客户群快满了") % {"count": crowded},
            note=_("人数已达容量的 80%，请准备新群"),
            icon="group_add",
            tone="warning",
            link=changelist("communities.groupchat", "crowded=yes"),
        )
    if unassigned := numbers.unassigned_chats(desk):
        yield Todo(
            title=_("%(count)d 个客户群还没有归属社群") % {"count": unassigned},
            note=_("归属后才能接纳成员"),
            icon="link_off",
            tone="info",
            link=changelist("communities.groupchat", "assigned=no"),
        )


def wecom(desk: Desk) -> Iterator[Todo]:
    if failing := numbers.failing_connections(desk):
        yield Todo(
            title=_("%(count)d 个企业微信连接异常") % {"count": failing},
            note=_("在修复之前不能读取，也不能发送"),
            icon="link_off",
            tone="danger",
            link=changelist("wecom.wecomconnection", "state__exact=failing"),
        )
    if failed := numbers.failed_callbacks(desk):
        yield Todo(
            title=_("%(count)d 条平台回调处理失败") % {"count": failed},
            note=_("查看原因后可以重新处理"),
            icon="inbox",
            tone="warning",
            link=changelist("wecom.inboundevent", "state__exact=failed"),
        )


def waited_in_words(queue: Queue, desk: Desk) -> str:
    if queue.oldest is None:
        return ""
    return _("最早的一个已等 %(time)s") % {"time": timesince(queue.oldest, desk.now, depth=1)}
