"""Why an item of a hand-over is blocked, waits, failed or ended, in words for people."""

from __future__ import annotations

from typing import Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from communities.rules.transfers import ItemState
from scrm.wecom.client.codes import code_of, words_of


class Explicable(Protocol):
    """What is said of an item of a hand-over."""

    state: str
    reason: str
    platform_code: int | None
    platform_message: str


#: What the platform said before says nothing about an item in these states.
OUTSIDE_THE_PLATFORM = frozenset(
    {
        ItemState.PLANNED,
        ItemState.BLOCKED,
        ItemState.PENDING,
        ItemState.VERIFIED,
        ItemState.WAIVED,
        ItemState.CANCELLED,
    }
)

#: Stable codes of ``TransferItem.reason``; the words say what to do.
REASONS: dict[str, str | Promise] = {
    # --- blocked
    "no_receiver": _("没有合适的接手人：请指定一位，或修改转让规则。"),
    "receiver_is_owner": _("接手人就是转出人自己：请另选一位。"),
    "receiver_inactive": _("接手人已离职或已停用：请另选一位。"),
    "receiver_not_allowed": _(
        "接手人没有客户联系权限：请在企业微信后台把他加入“客户联系”的使用范围，再同步通讯录；或另选一位。"
    ),
    "receiver_not_activated": _(
        "接手人还没有激活企业微信，或账号已被禁用：请他登录激活，或另选一位。"
    ),
    "receiver_full": _("接手人名下已达到转让规则的上限：请另选一位，或调高上限。"),
    "receiver_elsewhere": _(
        "接手人不在本企业，或不在应用的可见范围内：请另选一位，或调整应用的可见范围。"
    ),
    "chat_dissolved": _("这个客户群已经解散，不需要转让。"),
    "in_transfer": _("正在另一次转让中：等那一次结束，或先取消它。"),
    "no_owner": _("不知道群主是谁：请先同步通讯录和客户群。"),
    "no_connection": _(
        "没有通过企业微信连接，不能由系统转让：请先连接企业微信并同步，或在企业微信里手工转让。"
    ),
    "connection_paused": _("企业微信连接已停用：请先恢复连接。"),
    "handed_over_too_often": _("90 天内已经在职转让过 2 次，这是平台的上限：请过些天再转。"),
    "inheritance_over": _("员工离职已超过 1 年，平台不再允许继承。"),
    "owner_changed": _("已经不在转出人名下，不需要由他转出。"),
    "not_approved": _("审批人没有批准这样改：请另选接手人，或不再转。"),
    "giver_is_elsewhere": _(
        "转出人没有平台账号，或不在应用的可见范围内：请先同步通讯录，或调整应用的可见范围。"
    ),
    # --- waiting
    "quota_used": _("转出人今天的转让额度已用完：平台换日后系统自动继续。"),
    "busy": _("平台正在处理这一项的另一次转让：系统稍后自动再试。"),
    "route_changed": _("转出人在职与否与原先不同：系统改用另一种途径再试。"),
    "looking_up": _("没有收到平台的应答：正在读取实际结果，不会盲目重复。"),
    "sent_again": _("没有查到平台执行过：系统重新提交，不会重复转让。"),
    "one_by_one": _("整批提交被平台拒绝：系统逐条再试，找出有问题的那一项。"),
    "last_look": _("很久没有读到结果：再读一次，仍读不到就按没有记录处理。"),
    # --- failed
    "platform_refused": _("平台拒绝了这一项。"),
    "shows_old_owner": _("平台受理已超过 24 小时，读到的仍是原群主：请在企业微信核对后重试。"),
    "taken_by_other": _("群主换成了别人：请核对后决定是否再转。"),
    "no_record": _("平台没有这一项的转让记录：可以重试。"),
    "receiver_is_full": _("接手人的客户数已达到平台上限：请换一位接手人再试。"),
    "no_answer": _("多次提交都没有收到平台的应答，也没有查到执行过：请检查网络后重试。"),
    # --- ended
    "customer_is_gone": _("客户已不在转出人名下，不需要再转。"),
    "customer_refused": _("客户拒绝由新同事服务。"),
    "chat_is_gone": _("客户群已经解散，不需要再转。"),
    "waived": _("已决定不再转。"),
    "staff_is_back": _("员工已恢复在职，不需要再交接。"),
    "withdrawn": _("转让已取消，这一项没有提交。"),
}


def reason_words(code: str) -> str:
    """What a reason means and what to do, in the reader's language; the code itself where it is
    unknown."""
    return str(REASONS.get(code, code))


def item_words(item: Explicable) -> str:
    """Why the item is where it is, and what the platform said about it, with its number. Empty
    where there is nothing to explain."""
    told = platform_words(item.platform_code, item.platform_message)
    if item.state in OUTSIDE_THE_PLATFORM or not told:
        return reason_words(item.reason)
    if item.reason in ("", "platform_refused"):
        return told
    return gettext("%(reason)s（平台：%(told)s）") % {
        "reason": reason_words(item.reason),
        "told": told,
    }


def platform_words(code: int | None, message: str) -> str:
    """What an error code of the platform means, with its number; where no table lists it, with
    what the platform itself said. Empty without one."""
    if not code:
        return ""
    if code_of(code) is None:
        return f"{words_of(code)} {message}".strip()
    return gettext("%(words)s（错误码 %(code)d）") % {"words": words_of(code), "code": code}
