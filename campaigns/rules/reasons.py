"""Why somebody did not get a message: every code that stands on a recipient, a dispatch or a run
that waits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext_lazy as _

from scrm.shared.criteria import Words
from scrm.wecom.client.codes import code_of, words_of
from scrm.wecom.client.errors import Outcome


class ReasonKind(StrEnum):
    """What can be done about it."""

    SUPPRESSED = "suppressed"  # a guard of ours: nobody was called
    TRANSIENT = "transient"  # it may go well another time
    PERMANENT = "permanent"  # it would end the same way again


@dataclass(frozen=True, slots=True)
class Reason:
    words: Words
    kind: ReasonKind


def _suppressed(words: Words) -> Reason:
    return Reason(words, ReasonKind.SUPPRESSED)


def _transient(words: Words) -> Reason:
    return Reason(words, ReasonKind.TRANSIENT)


def _permanent(words: Words) -> Reason:
    return Reason(words, ReasonKind.PERMANENT)


REASONS: dict[str, Reason] = {
    # who is not in the audience, counted in an estimate
    "not_matching": _suppressed(_("不符合人群条件")),
    "in_several_communities": _suppressed(_("在几个社群里，只发一次")),
    "excluded": _suppressed(_("在排除的人群包里")),
    "other_account": _suppressed(_("群属于别的渠道账号")),
    # guards, judged when a dispatch is claimed
    "left": _suppressed(_("已离开社群")),
    "chat_gone": _suppressed(_("群已解散或换了社群")),
    "erased": _suppressed(_("已应本人要求抹除个人信息")),
    "no_consent": _suppressed(_("没有同意接收群发")),
    "consent_denied": _suppressed(_("不同意接收群发")),
    "consent_withdrawn": _suppressed(_("撤回了接收群发的同意")),
    "blocked": _suppressed(_("在黑名单里")),
    "cap_day": _suppressed(_("今天收到的已到上限")),
    "cap_week": _suppressed(_("7 天内收到的已到上限")),
    "cap_month": _suppressed(_("30 天内收到的已到上限")),
    "platform_quota": _suppressed(_("平台每月的群发额度已用完")),
    "advert_share": _suppressed(_("社群近几天广告占比过高")),
    "category_not_allowed": _suppressed(_("社群不允许这类内容")),
    "hold_out": _suppressed(_("实验的对照组，不发送")),
    "no_sender": _suppressed(_("没有可以发送的群主或员工")),
    # of welcomes
    "platform_greets": _suppressed(_("平台用群欢迎语模板自动发送")),
    "channel_cannot_send": _suppressed(_("这个渠道不能由系统直接发送")),
    "code_expired": _permanent(_("超过 20 秒或凭证已用过，平台不再允许发送")),
    "already_talking": _suppressed(_("员工与客户已开始聊天，或欢迎语已发送")),
    "another_app_greets": _suppressed(_("别的应用已在发送欢迎语")),
    "imported": _suppressed(_("由导入入群，不欢迎")),
    "too_late": _suppressed(_("入群太久，不再欢迎")),
    # texts
    "bad_content": _permanent(_("内容不符合平台要求")),
    "render_error": _permanent(_("内容无法生成")),
    "render_empty": _permanent(_("替换变量后内容为空")),
    "render_too_long": _permanent(_("替换变量后内容过长")),
    # channels
    "channel_is_off": _transient(_("渠道账号已停用")),
    "not_in_answer": _transient(_("渠道没有回答这位收件人")),
    "outcome_unknown": _permanent(_("渠道没有说明结果，可能已送达")),
    "gave_up": _transient(_("多次中断，放弃")),
    "worker_error": _transient(_("处理出错")),
    "sandbox_failure": _transient(_("沙盒模拟的失败")),
    "endpoint_refused": _permanent(_("接收地址不被允许")),
    "endpoint_not_found": _transient(_("接收地址无法解析")),
    "endpoint_unreachable": _transient(_("接收地址连不上")),
    "redirect_refused": _permanent(_("接收地址要求跳转，已拒绝")),
    "rate_limited": _transient(_("渠道限流")),
    "no_answer": _transient(_("渠道没有应答")),
    "bad_answer": _transient(_("渠道的应答看不懂")),
    "channel_broke": _transient(_("渠道程序出错")),
    # messages that a colleague has to confirm
    "not_reachable": _transient(_("平台没有接收：群换了群主、已解散，或不再是好友")),
    "no_contact": _transient(_("发送时不是这位群主的群，或不再是这位员工的好友")),
    "over_quota": _transient(_("本月收到的群发已到平台上限，没有送达")),
    "left_out_by_owner": _transient(_("群主发送时没有选这个群")),
    "not_confirmed": _transient(_("群主 30 天内没有确认，已过期")),
    "stopped": _permanent(_("群主确认前已停止")),
    "halted": _permanent(_("群发被叫停，群主确认前已停止")),
    "not_listed_yet": _transient(_("还不知道平台是否收到，正在核对")),
    "alike_in_flight": _transient(_("同一位员工还有一次没有应答的群发，正在核对")),
    "not_connected": _transient(_("渠道账号没有连接企业微信")),
    "connection_paused": _transient(_("企业微信连接已暂停")),
    "media_is_slow": _transient(_("附件上传太慢，稍后再试")),
    "file_is_gone": _permanent(_("附件文件找不到了")),
    "texts_differ": _permanent(_("企业微信一次群发只能有一种内容")),
    # reasons why a run waits
    "quiet_hours": _transient(_("免打扰时间，结束后继续")),
}

#: A refusal of the platform stands with its number after this.
PLATFORM_CODE = "wecom_"


def reason_words(code: str) -> str:
    """A code in the words of operators; one that we do not know is shown as it is."""
    if code.startswith(PLATFORM_CODE):
        return words_of(int(code.removeprefix(PLATFORM_CODE)))
    reason = REASONS.get(code)
    return code if reason is None else str(reason.words)


def reason_kind(code: str) -> ReasonKind:
    """Whether it makes sense to try again; of a code that we do not know, no."""
    if code.startswith(PLATFORM_CODE):
        known = code_of(int(code.removeprefix(PLATFORM_CODE)))
        is_transient = known is not None and known.outcome is Outcome.RETRYABLE
        return ReasonKind.TRANSIENT if is_transient else ReasonKind.PERMANENT
    reason = REASONS.get(code)
    return ReasonKind.PERMANENT if reason is None else reason.kind
