from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.broadcast import Broadcast, Run
from campaigns.rules.schedules import DayRule, Festival, ScheduleKind
from communities.models import Tier
from members.models import Member
from scrm.accounts.models import Enterprise, User


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    def visible_to(self, user: User) -> ScheduleQuerySet:
        return self.filter(broadcast__in=Broadcast.objects.visible_to(user))


class Schedule(models.Model):
    """When a broadcast that runs more than once begins. One without a schedule runs once.

    The rule gives local times in ``time_zone``; the instant that comes next stands in
    ``broadcast.scheduled_at``. Of a broadcast begun by facts that is when it is next looked whom
    they are about.
    """

    broadcast = models.OneToOneField(
        Broadcast, on_delete=models.CASCADE, related_name="schedule", verbose_name=_("群发")
    )
    kind = models.CharField(_("方式"), max_length=20, choices=ScheduleKind.choices)
    time_zone = models.CharField(_("时区"), max_length=64, default="Asia/Shanghai")
    local_time = models.TimeField(_("时间"))
    rrule = models.CharField(
        _("重复规则"),
        max_length=300,
        blank=True,
        default="",
        help_text=_("RFC 5545，例如 FREQ=WEEKLY;BYDAY=MO,TH。"),
    )
    festivals = ArrayField(
        models.CharField(max_length=20, choices=Festival.choices),
        verbose_name=_("节日"),
        default=list,
        blank=True,
    )
    day_offset = models.SmallIntegerField(
        _("提前或推后（天）"), default=0, help_text=_("-1 表示前一天。")
    )
    member_day = models.PositiveSmallIntegerField(
        _("每月几号"), null=True, blank=True, help_text=_("那个月没有这一天时用最后一天。")
    )
    day_rule = models.CharField(
        _("工作日规则"), max_length=20, choices=DayRule.choices, default=DayRule.ANY
    )
    tier = models.ForeignKey(
        Tier,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("层级"),
    )
    silent_days = models.PositiveSmallIntegerField(_("沉默几天"), null=True, blank=True)
    starts_on = models.DateField(_("从"), null=True, blank=True)
    ends_on = models.DateField(_("到"), null=True, blank=True)
    max_count = models.PositiveIntegerField(_("最多几次"), null=True, blank=True)
    occurrence_count = models.PositiveIntegerField(_("已发生"), default=0, editable=False)
    looked_through = models.DateTimeField(_("事实看到"), null=True, blank=True, editable=False)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        verbose_name = _("群发排期")
        verbose_name_plural = _("群发排期")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=ScheduleKind.values),
                name="schedule_kind_is_known",
                violation_error_message=_("未知的排期方式。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(kind=ScheduleKind.RECURRING) | ~models.Q(rrule=""),
                name="recurring_schedule_has_a_rule",
                violation_error_message=_("按规则重复必须填写规则。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(kind=ScheduleKind.MEMBER_DAY)
                | models.Q(member_day__gte=1, member_day__lte=31),
                name="member_day_is_a_day_of_a_month",
                violation_error_message=_("会员日是 1 到 31 号。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(kind=ScheduleKind.TIER_REACHED) | models.Q(tier__isnull=False),
                name="tier_schedule_names_a_tier",
                violation_error_message=_("请选择层级。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(kind=ScheduleKind.SILENT)
                | models.Q(silent_days__gte=1, silent_days__lte=365),
                name="silent_schedule_names_days",
                violation_error_message=_("沉默天数是 1 到 365。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.pk})"


class Occasion(models.Model):
    """A fact about a member that a broadcast waits for. It is taken once, by one run.

    ``fact`` names it: ``birthday:2026``, ``tier:<assignment id>``, ``silent:2026-11-01`` (the day
    somebody was last active), so that the same fact noted twice is one row.
    """

    broadcast = models.ForeignKey(
        Broadcast, on_delete=models.CASCADE, related_name="occasions", verbose_name=_("群发")
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("成员"),
    )
    fact = models.CharField(_("事实"), max_length=60)
    run = models.ForeignKey(
        Run,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="occasions",
        verbose_name=_("群发执行"),
    )
    noted_at = models.DateTimeField(_("记录时间"), db_default=Now())

    class Meta:
        verbose_name = _("触发事实")
        verbose_name_plural = _("触发事实")
        constraints = [
            models.UniqueConstraint(
                fields=["broadcast", "member", "fact"],
                name="fact_is_taken_once",
                violation_error_message=_("这个事实已经触发过。"),
            ),
        ]
        indexes = [
            # whom no run has taken yet
            models.Index(
                fields=["broadcast", "member"],
                condition=models.Q(run=None),
                name="waiting_occasions",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fact} ({self.pk})"


class HolidayOverrideQuerySet(models.QuerySet["HolidayOverride"]):
    def visible_to(self, user: User) -> HolidayOverrideQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class HolidayOverride(models.Model):
    """A day that is a working day, or is none, whatever the calendar that we ship says."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    day = models.DateField(_("日期"))
    is_working_day = models.BooleanField(_("上班"))
    name = models.CharField(_("名称"), max_length=60, blank=True, default="")

    objects = HolidayOverrideQuerySet.as_manager()

    class Meta:
        verbose_name = _("节假日调整")
        verbose_name_plural = _("节假日调整")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "day"],
                name="one_override_per_day",
                violation_error_message=_("这一天已有调整。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} ({self.pk})"
