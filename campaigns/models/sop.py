from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.content import ContentVersion
from campaigns.rules.sop import EnrolmentStatus, SopStatus, SopTaskStatus, StepKind
from communities.models import GroupChat
from communities.rules.kinds import ContentCategory
from scrm.accounts.models import Enterprise, OperatorTask, User
from scrm.wecom.models import ChannelAccount


class SopPlanQuerySet(models.QuerySet["SopPlan"]):
    def visible_to(self, user: User) -> SopPlanQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class SopPlan(models.Model):
    """What is to happen in a group chat on which day, for a machine to send and people to do.

    Its messages go through the pipeline and the guards of broadcasts, approved with the plan.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="sop_plans", verbose_name=_("企业")
    )
    name = models.CharField(_("名称"), max_length=120)
    channel_account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("渠道账号")
    )
    status = models.CharField(
        _("状态"), max_length=20, choices=SopStatus.choices, default=SopStatus.DRAFT
    )
    author = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("作者")
    )
    approved_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("审批人"),
    )
    approved_at = models.DateTimeField(_("批准时间"), null=True, blank=True)
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = SopPlanQuerySet.as_manager()

    class Meta:
        verbose_name = _("群 SOP")
        verbose_name_plural = _("群 SOP")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=SopStatus.values),
                name="sop_status_is_known",
                violation_error_message=_("未知的 SOP 状态。"),
            ),
            models.CheckConstraint(
                condition=models.Q(approved_by=None) | ~models.Q(approved_by=models.F("author")),
                name="sop_is_approved_by_another",
                violation_error_message=_("作者不能审批自己的 SOP。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SopStep(models.Model):
    """One thing to do: a message, or a checklist for whoever owns the chat."""

    plan = models.ForeignKey(
        SopPlan, on_delete=models.CASCADE, related_name="steps", verbose_name=_("群 SOP")
    )
    day_offset = models.PositiveSmallIntegerField(
        _("第几天"), help_text=_("加入 SOP 的当天是第 0 天。")
    )
    local_time = models.TimeField(_("时间"), help_text=_("企业时区的钟点。"))
    kind = models.CharField(_("类型"), max_length=20, choices=StepKind.choices)
    title = models.CharField(_("标题"), max_length=120)
    category = models.CharField(
        _("内容类别"),
        max_length=20,
        choices=ContentCategory.choices,
        default=ContentCategory.SERVICE,
    )
    body = models.TextField(_("内容"), max_length=4000, blank=True, default="")
    content_version = models.ForeignKey(
        ContentVersion,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("内容版本"),
    )
    items = models.JSONField(_("清单"), default=list, blank=True, help_text=_("一行一件要做的事。"))

    class Meta:
        verbose_name = _("SOP 步骤")
        verbose_name_plural = _("SOP 步骤")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=StepKind.values),
                name="sop_step_kind_is_known",
                violation_error_message=_("未知的步骤类型。"),
            ),
            models.CheckConstraint(
                condition=models.Q(day_offset__lte=365),
                name="sop_step_is_within_a_year",
                violation_error_message=_("最多到第 365 天。"),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class SopEnrolmentQuerySet(models.QuerySet["SopEnrolment"]):
    def visible_to(self, user: User) -> SopEnrolmentQuerySet:
        return self.filter(chat__in=GroupChat.objects.visible_to(user))


class SopEnrolment(models.Model):
    """A chat that follows a plan, from its day 0."""

    plan = models.ForeignKey(
        SopPlan, on_delete=models.PROTECT, related_name="enrolments", verbose_name=_("群 SOP")
    )
    chat = models.ForeignKey(
        GroupChat, on_delete=models.PROTECT, related_name="sop_enrolments", verbose_name=_("客户群")
    )
    begins_on = models.DateField(_("第 0 天"))
    status = models.CharField(
        _("状态"), max_length=20, choices=EnrolmentStatus.choices, default=EnrolmentStatus.ACTIVE
    )
    enrolled_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("加入人")
    )
    enrolled_at = models.DateTimeField(_("加入时间"), db_default=Now())

    objects = SopEnrolmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("SOP 执行")
        verbose_name_plural = _("SOP 执行")
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "chat"],
                condition=models.Q(status__in=[EnrolmentStatus.ACTIVE, EnrolmentStatus.PAUSED]),
                name="chat_follows_a_plan_once",
                violation_error_message=_("这个群正在执行这个 SOP。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=EnrolmentStatus.values),
                name="sop_enrolment_status_is_known",
                violation_error_message=_("未知的执行状态。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan_id}/{self.chat_id} ({self.pk})"

    @property
    def enterprise_id(self) -> int:
        return self.plan.enterprise_id


class SopTaskQuerySet(models.QuerySet["SopTask"]):
    def visible_to(self, user: User) -> SopTaskQuerySet:
        return self.filter(enrolment__in=SopEnrolment.objects.visible_to(user))


class SopTask(models.Model):
    """One step in one chat: what is due, and what became of it."""

    enrolment = models.ForeignKey(
        SopEnrolment, on_delete=models.CASCADE, related_name="tasks", verbose_name=_("SOP 执行")
    )
    step = models.ForeignKey(
        SopStep, on_delete=models.PROTECT, related_name="tasks", verbose_name=_("步骤")
    )
    due_at = models.DateTimeField(_("到期时间"))
    status = models.CharField(
        _("状态"), max_length=20, choices=SopTaskStatus.choices, default=SopTaskStatus.PLANNED
    )
    reason = models.CharField(_("说明"), max_length=300, blank=True, default="")
    done_items = models.JSONField(_("做完的"), default=list, blank=True)
    run = models.ForeignKey(
        "campaigns.Run",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("群发执行"),
    )
    operator_task = models.ForeignKey(
        OperatorTask,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("待办"),
    )
    done_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("完成人"),
    )
    done_at = models.DateTimeField(_("完成时间"), null=True, blank=True)

    objects = SopTaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("SOP 任务")
        verbose_name_plural = _("SOP 任务")
        constraints = [
            models.UniqueConstraint(
                fields=["enrolment", "step"],
                name="one_task_per_step_and_chat",
                violation_error_message=_("这个步骤已经安排。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=SopTaskStatus.values),
                name="sop_task_status_is_known",
                violation_error_message=_("未知的任务状态。"),
            ),
        ]
        indexes = [
            # the sweep
            models.Index(
                fields=["due_at", "id"],
                condition=models.Q(status=SopTaskStatus.PLANNED),
                name="due_sop_tasks",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.enrolment_id}/{self.step_id} ({self.pk})"

    @property
    def enterprise_id(self) -> int:
        return self.step.plan.enterprise_id
