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
    "export_recipients": _("导出收件人"),
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
    "void_approval": _("批准作废"),
    "upload_media": _("上传素材"),
    "rename_media": _("改素材名称"),
    "create_content": _("新建选题"),
    "edit_content": _("修改选题"),
    "draft_content": _("开始撰写内容"),
    "write_version": _("写内容的新版本"),
    "submit_content": _("提交内容审核"),
    "return_content": _("退回内容"),
    "publish_content": _("发布内容"),
    "collect_feedback": _("收集内容反馈"),
    "optimise_content": _("写下内容学到什么"),
    "retire_content": _("停用内容"),
    "create_term": _("新增词库条目"),
    "edit_term": _("修改词库条目"),
}
