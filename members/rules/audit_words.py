"""What the verbs of members are called in the audit record."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

AUDIT_WORDS = {
    "apply_for_entry": _("申请入群"),
    "invite_member": _("邀请入群"),
    "reconsider_application": _("重新核对申请"),
    "claim_application": _("领取入群申请"),
    "release_application": _("放回入群申请"),
    "approve_application": _("通过入群申请"),
    "reject_application": _("拒绝入群申请"),
    "undo_decision": _("撤销审核决定"),
    "withdraw_application": _("撤回入群申请"),
    "observe_join": _("记录平台入群"),
    "block_member": _("加入黑名单"),
    "unblock_member": _("移出黑名单"),
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
