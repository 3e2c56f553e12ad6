"""What the verbs of this app are called in the audit record."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

AUDIT_WORDS = {
    "connect_company": _("连接企业微信"),
    "edit_connection": _("修改企业微信连接"),
    "rotate_callback_secrets": _("换新回调密钥"),
    "pause_connection": _("停用企业微信连接"),
    "resume_connection": _("启用企业微信连接"),
    "check_connection": _("测试企业微信连接"),
    "replay_event": _("重新处理回调"),
    "replay_read": _("重新读取"),
    "start_sync": _("开始同步"),
    "cancel_sync": _("取消同步"),
}
