"""What the verbs of segments are called in the audit record."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

AUDIT_WORDS: dict[str, str | Promise] = {
    "create_segment": _("新建人群包"),
    "edit_segment": _("修改人群包"),
    "halt_broadcast": _("叫停群发"),
    "remind_dispatch": _("提醒群主确认"),
    "remind_run": _("提醒所有未确认的群主"),
    "stop_dispatch": _("停止群主未确认的群发"),
    "retry_failed": _("重试失败的收件人"),
    "create_send_policy": _("定下发送规则"),
    "edit_send_policy": _("修改发送规则"),
    "create_frequency_cap": _("新增频次上限"),
    "edit_frequency_cap": _("修改频次上限"),
    "remove_frequency_cap": _("删除频次上限"),
    "draw_segment": _("更新人群包名单"),
    "set_schedule": _("设定群发排期"),
    "clear_schedule": _("取消群发排期"),
    "end_schedule": _("结束群发排期"),
    "run_missed": _("补发错过的群发"),
    "skip_missed": _("不补发错过的群发"),
    "set_holiday": _("调整工作日"),
    "remove_holiday": _("删除工作日调整"),
}
