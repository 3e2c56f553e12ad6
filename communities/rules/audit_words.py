"""What the verbs of communities are called in the audit record."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

AUDIT_WORDS = {
    "create_community": _("新建社群"),
    "edit_community": _("修改社群"),
    "move_community": _("改变社群状态"),
    "set_entry_policy": _("设定准入规则"),
    "register_group_chat": _("登记客户群"),
    "edit_group_chat": _("修改客户群"),
    "assign_chat": _("分配客户群"),
    "follow_owner_change": _("平台换了群主"),
    "accept_violation": _("认可违规换群主"),
    "follow_dissolution": _("平台上群已解散"),
    "create_axis": _("新建分类维度"),
    "edit_axis": _("修改分类维度"),
    "create_value": _("新建分类值"),
    "edit_value": _("修改分类值"),
    "set_classification_rule": _("设定分类规则"),
    "edit_classification_rule": _("修改分类规则"),
    "remove_classification_rule": _("删除分类规则"),
    "apply_classification_rule": _("执行分类规则"),
    "create_join_way": _("新建群活码"),
    "edit_join_way": _("修改群活码"),
    "set_routes": _("设定活码分流"),
    "pause_join_way": _("暂停群活码"),
    "resume_join_way": _("恢复群活码"),
    "close_join_way": _("停用群活码"),
    "draft_transfer": _("拟定转让"),
    "submit_transfer": _("提交转让"),
    "approve_transfer": _("批准转让"),
    "reject_transfer": _("驳回转让"),
    "cancel_transfer": _("取消转让"),
    "assign_receiver": _("指定接手人"),
    "retry_items": _("重试转让"),
    "waive_items": _("不再转让"),
    "return_transfer": _("转回原群主"),
}
