from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from scrm.accounts.models.user import User


class EnterpriseQuerySet(models.QuerySet["Enterprise"]):
    def visible_to(self, user: User) -> EnterpriseQuerySet:
        return self.filter(pk=user.enterprise_id)


class Enterprise(models.Model):
    """A company that runs communities: the border that no query crosses."""

    name = models.CharField(_("名称"), max_length=120)
    slug = models.SlugField(_("标识"), max_length=60, unique=True)
    time_zone = models.CharField(
        _("时区"),
        max_length=64,
        default="Asia/Shanghai",
        help_text=_("“一天”按这个时区计算。"),
    )
    profiling_needs_consent = models.BooleanField(
        _("画像需要同意"),
        default=True,
        db_default=True,
        help_text=_(
            "勾选：只给同意过“画像”的成员评分和估值。不勾选：除了拒绝或撤回的都做；"
            "要有其他合法依据才能这样选。"
        ),
    )
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = EnterpriseQuerySet.as_manager()

    class Meta:
        verbose_name = _("企业")
        verbose_name_plural = _("企业")

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class DepartmentQuerySet(models.QuerySet["Department"]):
    def visible_to(self, user: User) -> DepartmentQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def below(self, staff: Staff | None) -> DepartmentQuerySet:
        """The department of a colleague and every department under it."""
        if staff is None or staff.department_id is None:
            return self.none()
        tree = RawSQL(  # a recursive query has no form in the ORM; the only value is bound
            """
            WITH RECURSIVE tree (id) AS (
                SELECT %s::bigint
                UNION
                SELECT child.id
                FROM accounts_department child JOIN tree ON child.parent_id = tree.id
            )
            SELECT id FROM tree
            """,
            [staff.department_id],
        )
        return self.filter(enterprise_id=staff.enterprise_id, pk__in=tree)


class Department(models.Model):
    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="departments", verbose_name=_("企业")
    )
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("上级部门"),
    )
    name = models.CharField(_("名称"), max_length=120)
    external_id = models.CharField(_("平台部门编号"), max_length=64, blank=True, default="")

    objects = DepartmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("部门")
        verbose_name_plural = _("部门")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "external_id"],
                condition=~models.Q(external_id=""),
                name="department_external_id_is_unique",
                violation_error_message=_("这个平台部门编号已被使用。"),
            ),
            models.CheckConstraint(
                condition=models.Q(parent=None) | ~models.Q(parent=models.F("id")),
                name="department_is_not_its_own_parent",
                violation_error_message=_("部门不能是自己的上级。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StaffPlatformStatus(models.TextChoices):
    """What the platform's directory says about a colleague; empty where it was never asked."""

    ACTIVE = "active", _("已激活")
    DISABLED = "disabled", _("已禁用")
    NOT_ACTIVATED = "not_activated", _("未激活")
    LEFT = "left", _("已退出企业")
    MISSING = "missing", _("不可见或已删除")


class StaffQuerySet(models.QuerySet["Staff"]):
    def visible_to(self, user: User) -> StaffQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def active(self) -> StaffQuerySet:
        return self.filter(is_active=True)


class Staff(models.Model):
    """A colleague who owns chats and looks after members; may or may not have a login."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="staff", verbose_name=_("企业")
    )
    department = models.ForeignKey(
        Department,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="staff",
        verbose_name=_("部门"),
    )
    name = models.CharField(_("姓名"), max_length=120)
    external_id = models.CharField(
        _("平台账号"), max_length=64, blank=True, default="", help_text=_("企业微信 userid。")
    )
    is_active = models.BooleanField(_("在职"), default=True)
    platform_status = models.CharField(
        _("平台状态"),
        max_length=20,
        choices=StaffPlatformStatus.choices,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    seen_at = models.DateTimeField(
        _("最近读到"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("最近一次在平台通讯录里读到。"),
    )
    can_use_customer_group = models.BooleanField(
        _("有客户联系权限"),
        default=False,
        db_default=False,
        editable=False,
        help_text=_("在平台“客户联系”的使用范围内，可以做群主、加客户。"),
    )

    objects = StaffQuerySet.as_manager()

    class Meta:
        verbose_name = _("员工")
        verbose_name_plural = _("员工")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "external_id"],
                condition=~models.Q(external_id=""),
                name="staff_external_id_is_unique",
                violation_error_message=_("这个平台账号已属于另一位员工。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name
