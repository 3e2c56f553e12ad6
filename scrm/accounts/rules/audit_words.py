"""The words in which an operator reads the audit record. Each app adds those of its own verbs."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

type Words = str | Promise

_WORDS: dict[str, Words] = {
    "create_department": _("新建部门"),
    "edit_department": _("修改部门"),
    "delete_department": _("删除部门"),
    "create_staff": _("新建员工"),
    "edit_staff": _("修改员工"),
    "deactivate_staff": _("员工离职"),
    "reactivate_staff": _("员工复职"),
    "create_user_account": _("新建用户"),
    "edit_user": _("修改用户"),
    "change_role": _("修改角色"),
    "set_password": _("设置密码"),
    "disable_user": _("停用用户"),
    "enable_user": _("启用用户"),
    "create_api_key": _("新建密钥"),
    "revoke_api_key": _("吊销密钥"),
    "complete_task": _("完成待办"),
    "dismiss_task": _("不处理待办"),
    "assign_task": _("分派待办"),
    "edit_enterprise": _("修改企业"),
    "create_channel_account": _("新建渠道账号"),
    "edit_channel_account": _("修改渠道账号"),
    "activate_channel_account": _("启用渠道账号"),
    "deactivate_channel_account": _("停用渠道账号"),
}


def name_verbs(words: Mapping[str, Words]) -> None:
    """Called from an app's ``ready`` with what its verbs are called."""
    _WORDS.update(words)


def words_for(verb: str) -> str:
    return str(_WORDS.get(verb, verb))


def named_verbs() -> list[tuple[str, str]]:
    return [(verb, str(words)) for verb, words in _WORDS.items()]
