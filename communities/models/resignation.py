from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.rules.transfers import OPEN_CASES, CaseCause, CaseStatus
from scrm.accounts.models import Department, Enterprise, Staff, User
from scrm.accounts.rules.roles import DataScope


class ResignationCaseQuerySet(models.QuerySet["ResignationCase"]):
    def visible_to(self, user: User) -> ResignationCaseQuerySet:
        cases = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return cases
        if user.data_scope == DataScope.DEPARTMENT_TREE:
            return cases.filter(staff__department__in=Department.objects.below(user.staff))
        return cases.none()

    def open(self) -> ResignationCaseQuerySet:
        return self.filter(status__in=OPEN_CASES)


class ResignationCase(models.Model):
    """Somebody has left: everything they owned gets an outcome.

    ``left_at`` is when the platform's year for inheriting began, as far as known. ``listed_at``
    is when the platform was last asked what is left with them: before that, nothing is complete.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    staff = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="resignation_cases",
        verbose_name=_("离职员工"),
    )
    cause = models.CharField(_("由来"), max_length=20, choices=CaseCause.choices)
    status = models.CharField(
        _("状态"),
        max_length=20,
        choices=CaseStatus.choices,
        default=CaseStatus.OPENED,
        db_default=CaseStatus.OPENED,
    )
    opened_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("建立人"),
        help_text=_("空表示由系统建立。"),
    )
    opened_at = models.DateTimeField(_("建立时间"), db_default=Now())
    left_at = models.DateTimeField(_("离职时间"), db_default=Now())
    listed_at = models.DateTimeField(_("清点完成"), null=True, blank=True)
    warned_at = models.DateTimeField(_("到期提醒"), null=True, blank=True)
    closed_at = models.DateTimeField(_("结案时间"), null=True, blank=True)
    place = models.JSONField(default=dict, blank=True, editable=False)
    attempt_count = models.PositiveSmallIntegerField(_("尝试次数"), default=0, db_default=0)
    trouble = models.CharField(_("清点受阻"), max_length=300, blank=True, default="", db_default="")
    due_at = models.DateTimeField(_("下次处理"), null=True, blank=True, db_default=Now())
    token = models.UUIDField(null=True, blank=True, editable=False)

    objects = ResignationCaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("离职交接")
        verbose_name_plural = _("离职交接")
        constraints = [
            models.UniqueConstraint(
                fields=["staff"],
                condition=models.Q(status__in=sorted(OPEN_CASES)),
                name="one_open_case_of_a_person",
                violation_error_message=_("这位员工的离职交接还没有结束。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=CaseStatus.values),
                name="resignation_case_status_is_known",
                violation_error_message=_("未知的交接状态。"),
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(status__in=sorted(OPEN_CASES)),
                name="cases_that_are_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
