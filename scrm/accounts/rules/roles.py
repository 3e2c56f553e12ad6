"""Who may do what: the one vocabulary of permissions, used by roles, API keys, API and admin."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Role(TextChoices):
    ADMINISTRATOR = "administrator", _("管理员")
    OPERATOR = "operator", _("运营")
    REVIEWER = "reviewer", _("审核员")
    ANALYST = "analyst", _("分析师")
    READ_ONLY = "read_only", _("只读")


class DataScope(TextChoices):
    ALL = "all", _("全部")
    DEPARTMENT_TREE = "department_tree", _("本部门及下级")
    OWN_COMMUNITIES = "own_communities", _("自己的社群")


class Capability(TextChoices):
    VIEW_COMMUNITIES = "communities.view", _("查看社群")
    MANAGE_COMMUNITIES = "communities.manage", _("管理社群")
    TRANSFER_OWNERSHIP = "transfers.manage", _("转让群与客户")
    APPROVE_TRANSFERS = "transfers.approve", _("审批转让")
    VIEW_MEMBERS = "members.view", _("查看成员")
    MANAGE_MEMBERS = "members.manage", _("管理成员")
    REVIEW_APPLICATIONS = "applications.review", _("审核入群申请")
    INGEST_ACTIVITY = "activity.ingest", _("写入活跃与订单")
    VIEW_CAMPAIGNS = "campaigns.view", _("查看触达")
    COMPOSE_CAMPAIGNS = "campaigns.compose", _("编辑与执行触达")
    APPROVE_CAMPAIGNS = "campaigns.approve", _("审批群发")
    MANAGE_SEND_POLICIES = "campaigns.policies", _("管理发送规则与词库")
    EXPORT_CAMPAIGNS = "campaigns.export", _("导出收件人")
    WORK_ALERTS = "alerts.work", _("处理流失预警")
    VIEW_ACCOUNTS = "accounts.view", _("查看账号与部门")
    MANAGE_ACCOUNTS = "accounts.manage", _("管理账号与密钥")
    VIEW_AUDIT = "audit.view", _("查看操作记录")


VIEWS = frozenset(
    {
        Capability.VIEW_COMMUNITIES,
        Capability.VIEW_MEMBERS,
        Capability.VIEW_CAMPAIGNS,
    }
)

CAPABILITIES: dict[str, frozenset[Capability]] = {
    Role.ADMINISTRATOR: frozenset(Capability),
    Role.OPERATOR: VIEWS
    | {
        Capability.MANAGE_COMMUNITIES,
        Capability.TRANSFER_OWNERSHIP,
        Capability.MANAGE_MEMBERS,
        Capability.REVIEW_APPLICATIONS,
        Capability.INGEST_ACTIVITY,
        Capability.COMPOSE_CAMPAIGNS,
        Capability.WORK_ALERTS,
        Capability.VIEW_ACCOUNTS,
    },
    Role.REVIEWER: VIEWS
    | {
        Capability.REVIEW_APPLICATIONS,
        Capability.APPROVE_CAMPAIGNS,
        Capability.APPROVE_TRANSFERS,
    },
    Role.ANALYST: VIEWS
    | {Capability.VIEW_ACCOUNTS, Capability.VIEW_AUDIT, Capability.EXPORT_CAMPAIGNS},
    Role.READ_ONLY: VIEWS,
}


def capabilities_of(role: str) -> frozenset[Capability]:
    """What a role may do; nothing for an unknown one."""
    return CAPABILITIES.get(role, frozenset())
