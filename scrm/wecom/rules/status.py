"""The states of a connection, of what arrived from the platform, and of what is read there."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Platform(TextChoices):
    OFFICIAL = "official", _("企业微信")
    SIMULATOR = "simulator", _("模拟企业微信")


class ConnectionState(TextChoices):
    DRAFT = "draft", _("未验证")
    CONNECTED = "connected", _("已连接")
    FAILING = "failing", _("连接异常")
    PAUSED = "paused", _("已停用")


class EventState(TextChoices):
    """Of a callback. Waiting ones have a due time; a failed one waits for an operator."""

    WAITING = "waiting", _("待处理")
    PROCESSED = "processed", _("已处理")
    IGNORED = "ignored", _("已忽略")
    FAILED = "failed", _("处理失败")


class ReadKind(TextChoices):
    """What can be read again on the platform, one by one."""

    CHAT = "chat", _("客户群")
    CUSTOMER = "customer", _("客户")
    STAFF = "staff", _("员工")
    DEPARTMENT = "department", _("部门")


class ReadState(TextChoices):
    WAITING = "waiting", _("待读取")
    FAILED = "failed", _("读取失败")


class SyncScope(TextChoices):
    FULL = "full", _("全部")
    DIRECTORY = "directory", _("通讯录")
    CUSTOMERS = "customers", _("客户")
    GROUPS = "groups", _("客户群")


class SyncState(TextChoices):
    RUNNING = "running", _("进行中")
    COMPLETED = "completed", _("已完成")
    PARTIAL = "partial", _("部分完成")
    FAILED = "failed", _("失败")
    CANCELLED = "cancelled", _("已取消")
