"""What the platform's callbacks are called, as an operator reads them."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

CUSTOMER, CHAT, TAG, DIRECTORY = (
    "change_external_contact",
    "change_external_chat",
    "change_external_tag",
    "change_contact",
)

EVENT_WORDS: Mapping[str, str | Promise] = {
    CUSTOMER: _("客户变更"),
    CHAT: _("客户群变更"),
    TAG: _("客户标签变更"),
    DIRECTORY: _("通讯录变更"),
}

CHANGE_WORDS: Mapping[tuple[str, str], str | Promise] = {
    (CUSTOMER, "add_external_contact"): _("添加客户"),
    (CUSTOMER, "add_half_external_contact"): _("客户免验证添加员工"),
    (CUSTOMER, "edit_external_contact"): _("修改客户备注或标签"),
    (CUSTOMER, "del_external_contact"): _("员工删除客户"),
    (CUSTOMER, "del_follow_user"): _("客户删除员工"),
    (CUSTOMER, "transfer_fail"): _("客户接替失败"),
    (CHAT, "create"): _("新建客户群"),
    (CHAT, "update"): _("客户群有变化"),
    (CHAT, "dismiss"): _("解散客户群"),
    (TAG, "create"): _("新建标签"),
    (TAG, "update"): _("修改标签"),
    (TAG, "delete"): _("删除标签"),
    (TAG, "shuffle"): _("标签重新排序"),
    (DIRECTORY, "create_user"): _("新增员工"),
    (DIRECTORY, "update_user"): _("修改员工"),
    (DIRECTORY, "delete_user"): _("删除员工"),
    (DIRECTORY, "create_party"): _("新建部门"),
    (DIRECTORY, "update_party"): _("修改部门"),
    (DIRECTORY, "delete_party"): _("删除部门"),
    (DIRECTORY, "update_tag"): _("修改通讯录标签"),
}

DETAIL_WORDS: Mapping[str, str | Promise] = {
    "add_member": _("成员入群"),
    "del_member": _("成员退群"),
    "change_owner": _("群主变更"),
    "change_name": _("群名变更"),
    "change_notice": _("群公告变更"),
}


def event_in_words(event: str, change_type: str = "", detail: str = "") -> str:
    """The most telling name there is; an unknown event is shown as the platform names it."""
    if detail in DETAIL_WORDS:
        return str(DETAIL_WORDS[detail])
    if (event, change_type) in CHANGE_WORDS:
        return str(CHANGE_WORDS[event, change_type])
    return " · ".join(name for name in (event, change_type, detail) if name)
