from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.broadcast import Run
from campaigns.rules.status import (
    CLAIMABLE_DISPATCH,
    OPEN_DISPATCH,
    POLLED_DISPATCH,
    DeliveryStatus,
    DispatchStatus,
)
from scrm.accounts.models import User


class DispatchQuerySet(models.QuerySet["Dispatch"]):
    def visible_to(self, user: User) -> DispatchQuerySet:
        return self.filter(run__in=Run.objects.visible_to(user))

    def open(self) -> DispatchQuerySet:
        return self.filter(status__in=OPEN_DISPATCH)


class Dispatch(models.Model):
    """One call to the channel for up to a batch of recipients: the only queue of a run.

    ``due_at`` says when it may next be claimed: for a leased one, that is when the lease ends, for
    one with the platform when it is next asked about.
    ``token`` fences: a result is written only by who holds the current lease. A leased dispatch
    without a token is one whose channel answered, but not with what became of it. ``attempted_at``
    is written before the first call: a dispatch without it was never handed over.
    """

    run = models.ForeignKey(
        Run,
        on_delete=models.PROTECT,
        related_name="dispatches",
        db_index=False,  # the unique constraint begins with it
        verbose_name=_("群发执行"),
    )
    sequence = models.PositiveIntegerField(_("序号"))
    recipient_ids = ArrayField(models.BigIntegerField(), verbose_name=_("收件人"))
    status = models.CharField(
        _("状态"),
        max_length=20,
        choices=DispatchStatus.choices,
        db_default=DispatchStatus.PENDING,
    )
    due_at = models.DateTimeField(_("可领取时间"), db_default=Now())
    token = models.UUIDField(null=True, editable=False)
    attempt_count = models.PositiveIntegerField(_("尝试次数"), db_default=0)
    lost_count = models.PositiveIntegerField(
        _("中断次数"), db_default=0, help_text=_("领取后没有回音的次数，例如进程被终止。")
    )
    last_error = models.CharField(_("最近错误"), max_length=60, blank=True, db_default="")
    delivered_count = models.PositiveIntegerField(_("送达"), db_default=0)
    awaiting_count = models.PositiveIntegerField(_("待确认"), db_default=0)
    failed_count = models.PositiveIntegerField(_("失败"), db_default=0)
    suppressed_count = models.PositiveIntegerField(_("拦下"), db_default=0)
    cancelled_count = models.PositiveIntegerField(_("取消"), db_default=0)
    expired_count = models.PositiveIntegerField(_("过期"), db_default=0)
    arm = models.SmallIntegerField(
        _("实验组"), null=True, help_text=_("实验里的第几组；0 是不发送的对照组。")
    )
    sender = models.CharField(
        _("发送人"), max_length=64, blank=True, db_default="", help_text=_("由谁在平台上确认发送。")
    )
    has_tokens = models.BooleanField(
        default=False, db_default=False, editable=False, help_text=_("限速的份额已经领过。")
    )
    remote_id = models.CharField(
        _("平台任务号"), max_length=64, blank=True, db_default="", editable=False
    )
    attempted_at = models.DateTimeField(
        _("首次调用"), null=True, help_text=_("第一次调用平台之前的时间，按数据库的时钟。")
    )
    submitted_at = models.DateTimeField(_("提交时间"), null=True, help_text=_("按平台的时钟。"))
    confirmed_at = models.DateTimeField(_("确认时间"), null=True, help_text=_("按平台的时钟。"))
    reminded_at = ArrayField(
        models.DateTimeField(), verbose_name=_("提醒时间"), default=list, db_default=Value([])
    )
    remind_asked_at = models.DateTimeField(
        _("要求提醒"), null=True, editable=False, help_text=_("有人要求再提醒一次，还没提醒。")
    )
    poll_count = models.PositiveIntegerField(_("查询次数"), db_default=0)

    objects = DispatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("发送批次")
        verbose_name_plural = _("发送批次")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "sequence"],
                name="dispatch_sequence_is_unique",
                violation_error_message=_("批次序号重复。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=DispatchStatus.values),
                name="dispatch_status_is_known",
                violation_error_message=_("未知的批次状态。"),
            ),
        ]
        indexes = [
            # the claim: what of a run is due, oldest first; of a run that waits nothing is read
            models.Index(
                fields=["run", "due_at", "id"],
                condition=models.Q(status__in=sorted(CLAIMABLE_DISPATCH)),
                name="claimable_dispatches_of_run",
            ),
            # whom the platform is to be asked about next
            models.Index(
                fields=["due_at", "id"],
                condition=models.Q(status__in=sorted(POLLED_DISPATCH)),
                name="polled_dispatches",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.sequence} ({self.pk})"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def visible_to(self, user: User) -> DeliveryQuerySet:
        return self.filter(run__in=Run.objects.visible_to(user))


class Delivery(models.Model):
    """One recipient of one run, with a state that can be explained.

    The key is (run, recipient): it cannot be doubled. There is no other index and no checked
    foreign key, because both would set the pace of the whole run; the rows come from one
    INSERT … SELECT over living recipients. ``recipient_id`` is a member or a chat, as the
    broadcast's target says.
    """

    pk = models.CompositePrimaryKey("run_id", "recipient_id")
    run = models.ForeignKey(
        Run,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_constraint=False,
        db_index=False,
        verbose_name=_("群发执行"),
    )
    recipient_id = models.BigIntegerField(_("收件人编号"))
    status = models.CharField(
        _("状态"),
        max_length=20,
        choices=DeliveryStatus.choices,
        db_default=DeliveryStatus.PLANNED,
    )
    reason = models.CharField(_("原因"), max_length=60, blank=True, db_default="")
    settled_at = models.DateTimeField(_("结果时间"), null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("收件结果")
        verbose_name_plural = _("收件结果")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=DeliveryStatus.values),
                name="delivery_status_is_known",
                violation_error_message=_("未知的收件状态。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.recipient_id}"
