"""What the verbs of members are called in the audit record."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

AUDIT_WORDS = {
    "submit_evidence": _("上传凭证照片"),
    "view_evidence": _("查看凭证照片"),
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
    "create_tier_scheme": _("新建分层方案"),
    "rename_tier_scheme": _("修改分层方案"),
    "create_tier": _("新建层级"),
    "edit_tier": _("修改层级"),
    "delete_tier": _("删除层级"),
    "request_tiering": _("立即核算层级"),
    "lock_tier": _("锁定层级"),
    "unlock_tier": _("解除层级锁定"),
}
