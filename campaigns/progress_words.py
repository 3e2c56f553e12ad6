"""Progress and reasons as people read them."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.rules.status import BroadcastStatus
from scrm.wecom.client.codes import words_of

NOTHING = "—"

STATUS_COLOURS = {
    BroadcastStatus.IN_REVIEW: "warning",
    BroadcastStatus.APPROVED: "info",
    BroadcastStatus.SCHEDULED: "info",
    BroadcastStatus.RUNNING: "primary",
    BroadcastStatus.PAUSED: "warning",
    BroadcastStatus.COMPLETED: "success",
    BroadcastStatus.PARTIALLY_COMPLETED: "warning",
    BroadcastStatus.FAILED: "danger",
}

BAR = (
    '<span class="campaign-bar" title="{}">'
    '<progress max="{}" value="{}"></progress><span>{}%</span></span>'
)

REASONS = {
    "left": gettext_lazy("已离开社群"),
    "chat_gone": gettext_lazy("群已解散或换了社群"),
    "channel_is_off": gettext_lazy("渠道账号已停用"),
    "platform_greets": gettext_lazy("平台用群欢迎语模板自动发送"),
    "channel_cannot_send": gettext_lazy("这个渠道不能由系统直接发送"),
    "code_expired": gettext_lazy("超过 20 秒或凭证已用过，平台不再允许发送"),
    "already_talking": gettext_lazy("员工与客户已开始聊天，或欢迎语已发送"),
    "another_app_greets": gettext_lazy("别的应用已在发送欢迎语"),
    "bad_content": gettext_lazy("内容不符合平台要求"),
    "imported": gettext_lazy("由导入入群，不欢迎"),
    "too_late": gettext_lazy("入群太久，不再欢迎"),
    "render_error": gettext_lazy("内容无法生成"),
    "render_empty": gettext_lazy("替换变量后内容为空"),
    "render_too_long": gettext_lazy("替换变量后内容过长"),
    "not_in_answer": gettext_lazy("渠道没有回答这位收件人"),
    "outcome_unknown": gettext_lazy("渠道没有说明结果，可能已送达"),
    "gave_up": gettext_lazy("多次中断，放弃"),
    "worker_error": gettext_lazy("处理出错"),
    "sandbox_failure": gettext_lazy("沙盒模拟的失败"),
    "endpoint_refused": gettext_lazy("接收地址不被允许"),
    "endpoint_not_found": gettext_lazy("接收地址无法解析"),
    "endpoint_unreachable": gettext_lazy("接收地址连不上"),
    "redirect_refused": gettext_lazy("接收地址要求跳转，已拒绝"),
    "rate_limited": gettext_lazy("渠道限流"),
    "no_answer": gettext_lazy("渠道没有应答"),
    "bad_answer": gettext_lazy("渠道的应答看不懂"),
    "channel_broke": gettext_lazy("渠道程序出错"),
}


PLATFORM_CODE = "wecom_"


def reason_in_words(code: str) -> str:
    if code.startswith(PLATFORM_CODE):
        return words_of(int(code.removeprefix(PLATFORM_CODE)))
    return str(REASONS.get(code, code)) if code else NOTHING


def progress_bar(settled: int, total: int) -> SafeString | str:
    if not total:
        return NOTHING
    hint = _("%(settled)d / %(total)d") % {"settled": settled, "total": total}
    return format_html(BAR, hint, total, settled, 100 * settled // total)
