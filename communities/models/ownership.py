from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models.group_chat import GroupChat
from communities.rules.transfers import (
    OwnershipCause,
    OwnershipConfidence,
    ViolationStatus,
)
from scrm.accounts.models import Enterprise, Staff, User
from scrm.accounts.rules.roles import DataScope


class TimeRange(models.Func):
    """From the beginning, included, to the end, not included; open where there is no end."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class OwnershipPeriodQuerySet(models.QuerySet["OwnershipPeriod"]):
    def visible_to(self, user: User) -> OwnershipPeriodQuerySet:
        periods = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return periods
        return periods.filter(chat__in=GroupChat.objects.visible_to(user))

    def open(self) -> OwnershipPeriodQuerySet:
        return self.filter(ended_at=None)


class OwnershipPeriod(models.Model):
    """The time during which a chat belonged to one owner. Append-only; without a gap from the
    chat's first instant to its last.

    A period without ``staff`` is one of an owner whom we do not know, or of nobody known: then
    ``userid`` and ``cause`` say what is known. ``began_at`` is exact, or the latest possible
    instant (``began_confidence``). From ``first_seen_at`` until ``seen_at`` every reading showed
    this owner; while the period is open, the last reading of its chat is the last one of it.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    chat = models.ForeignKey(
        GroupChat,
        on_delete=models.PROTECT,
        related_name="ownership_periods",
        verbose_name=_("客户群"),
    )
    staff = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="ownership_periods",
        verbose_name=_("群主"),
    )
    userid = models.CharField(
        _("平台账号"), max_length=64, blank=True, default="", db_default="", editable=False
    )
    began_at = models.DateTimeField(_("开始时间"))
    began_confidence = models.CharField(
        _("开始时间可信度"),
        max_length=20,
        choices=OwnershipConfidence.choices,
        default=OwnershipConfidence.INFERRED,
        db_default=OwnershipConfidence.INFERRED,
    )
    first_seen_at = models.DateTimeField(_("首次读到"), null=True, blank=True)
    seen_at = models.DateTimeField(_("最近读到"), null=True, blank=True)
    ended_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    cause = models.CharField(
        _("缘由"),
        max_length=20,
        choices=OwnershipCause.choices,
        default=OwnershipCause.FIRST_SEEN,
        db_default=OwnershipCause.FIRST_SEEN,
    )
    transfer_item = models.OneToOneField(
        "communities.TransferItem",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="period",
        verbose_name=_("转让明细"),
    )
    created_at = models.DateTimeField(_("记录时间"), db_default=Now())

    objects = OwnershipPeriodQuerySet.as_manager()

    class Meta:
        verbose_name = _("群主任期")
        verbose_name_plural = _("群主任期")
        constraints = [
            models.UniqueConstraint(
                fields=["chat"],
                condition=models.Q(ended_at=None),
                name="one_open_ownership_period",
                violation_error_message=_("一个客户群同时只有一位群主。"),
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gte=models.F("began_at")),
                name="ownership_ends_after_it_begins",
                violation_error_message=_("结束时间不能早于开始时间。"),
            ),
            models.CheckConstraint(
                condition=models.Q(cause__in=OwnershipCause.values),
                name="ownership_cause_is_known",
                violation_error_message=_("未知的缘由。"),
            ),
            ExclusionConstraint(
                name="ownership_periods_do_not_overlap",
                expressions=[
                    ("chat", RangeOperators.EQUAL),
                    (
                        TimeRange("began_at", "ended_at", RangeBoundary()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                # looked at after a statement, not in it: one moves a boundary on both sides
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_message=_("群主的任期不能重叠。"),
            ),
        ]
        indexes = [
            # the chats of a colleague, now and before
            models.Index(fields=["staff", "-began_at"], name="periods_of_staff"),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class OwnerChange(models.Model):
    """An event told that the owner of a chat changed at this instant; not from whom, nor to whom.

    Readings tell the owners, and these the instants between them, whichever come first.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    chat = models.ForeignKey(
        GroupChat,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name=_("客户群"),
    )
    at = models.DateTimeField(_("更换时间"))
    created_at = models.DateTimeField(_("记录时间"), db_default=Now())

    class Meta:
        verbose_name = _("群主更换通知")
        verbose_name_plural = _("群主更换通知")
        constraints = [
            models.UniqueConstraint(
                fields=["chat", "at"],
                name="owner_change_is_told_once",
                violation_error_message=_("这次更换已记录。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class OwnershipViolationQuerySet(models.QuerySet["OwnershipViolation"]):
    def visible_to(self, user: User) -> OwnershipViolationQuerySet:
        violations = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return violations
        return violations.filter(chat__in=GroupChat.objects.visible_to(user))

    def open(self) -> OwnershipViolationQuerySet:
        return self.filter(status=ViolationStatus.OPEN)

    def with_former_owner(self) -> OwnershipViolationQuerySet:
        """Each with ``former_staff``, ``former_name`` and ``former_userid``: whose the chat was
        before."""
        before = OwnershipPeriod.objects.filter(
            chat=models.OuterRef("chat"), ended_at__lte=models.OuterRef("period__began_at")
        ).exclude(pk=models.OuterRef("period"))
        latest = before.order_by("-began_at", "-pk")[:1]
        return self.annotate(
            former_staff=models.Subquery(latest.values("staff")),
            former_name=models.Subquery(latest.values("staff__name")),
            former_userid=models.Subquery(latest.values("userid")),
        )


class OwnershipViolation(models.Model):
    """A change of owner seen on the platform that our rules forbid, and the rules it broke.

    ``rules`` are values of ``BrokenRule``. It ends by being accepted with a reason, or by itself
    once the chat belongs again to the owner before it or to somebody who may own it.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    chat = models.ForeignKey(
        GroupChat, on_delete=models.PROTECT, related_name="violations", verbose_name=_("客户群")
    )
    period = models.OneToOneField(
        OwnershipPeriod,
        on_delete=models.PROTECT,
        related_name="violation",
        verbose_name=_("任期"),
        help_text=_("违反规则的那次更换由此开始。"),
    )
    rules = models.JSONField(_("违反的规则"), default=list)
    status = models.CharField(
        _("状态"),
        max_length=20,
        choices=ViolationStatus.choices,
        default=ViolationStatus.OPEN,
        db_default=ViolationStatus.OPEN,
    )
    note = models.CharField(_("处理说明"), max_length=300, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("发现时间"), db_default=Now())
    closed_at = models.DateTimeField(_("处理时间"), null=True, blank=True)
    closed_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("处理人"),
    )

    objects = OwnershipViolationQuerySet.as_manager()

    class Meta:
        verbose_name = _("违规换群主")
        verbose_name_plural = _("违规换群主")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=ViolationStatus.values),
                name="ownership_violation_status_is_known",
                violation_error_message=_("未知的处理状态。"),
            ),
        ]
        indexes = [
            models.Index(fields=["enterprise", "status", "-id"], name="violations_of_enterprise"),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
