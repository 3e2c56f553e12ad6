"""What the verbs of members are called in the audit record."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

AUDIT_WORDS = {
    "draft_split": _("制定拆群计划"),
    "refresh_split": _("重新清点拆群人数"),
    "choose_branch": _("选定拆群分支"),
    "skip_branch": _("不拆出分支"),
    "rename_branch": _("命名拆群分支"),
    "start_split": _("开始拆群"),
    "cancel_split": _("取消拆群"),
    "complete_split": _("结束拆群"),
    "invite_branch": _("邀请拆群成员"),
    "decline_invitation": _("登记不去的成员"),
}
