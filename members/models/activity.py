from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, RangeBoundary, RangeOperators
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models import Community
from communities.models.ownership import TimeRange
from members.models.member import Member
from members.rules.activity import ActivityKind
from scrm.accounts.models import Enterprise, Staff
from scrm.accounts.rules.roles import DataScope

if TYPE_CHECKING:
    from scrm.accounts.models import User


def in_communities_of(user: User) -> models.Q:
    """Rows of the communities that a user can see, for tables that also name the enterprise.

    The enterprise comes first, because the indexes of the lists begin with it; the communities
    are asked for only where the user does not see them all.
    """
    mine = models.Q(enterprise=user.enterprise_id)
    if user.data_scope == DataScope.ALL:
        return mine
    return mine & models.Q(community__in=Community.objects.visible_to(user))


class ActivityEventQuerySet(models.QuerySet["ActivityEvent"]):
    def visible_to(self, user: User) -> ActivityEventQuerySet:
        return self.filter(in_communities_of(user))


class ActivityEvent(models.Model):
    """One sign of life of a member in a community, or something a colleague did there.

    Partitioned by UTC month of ``occurred_at``; written only by
    ``members.services.ingestion.ingest_activities``, which counts each (enterprise, source,
    dedupe_key) once. No foreign key is checked per row: the ids come from the look-up that the
    ingestion itself does. The table's primary key is (enterprise, occurred_at, id), which serves
    the newest-first list of an enterprise; an id alone finds a row only by looking everywhere.
    """

    id = models.BigAutoField(primary_key=True)
    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("企业"),
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("社群"),
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("成员"),
    )
    staff = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("员工"),
    )
    kind = models.CharField(_("类型"), max_length=20, choices=ActivityKind.choices)
    source = models.CharField(_("数据来源"), max_length=40)
    dedupe_key = models.CharField(_("去重键"), max_length=128)
    thread = models.CharField(
        _("话题"), max_length=128, blank=True, default="", help_text=_("属于哪个话题或帖子。")
    )
    occurred_at = models.DateTimeField(_("发生时间"))
    received_at = models.DateTimeField(_("收到时间"), db_default=Now())

    objects = ActivityEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("活跃事件")
        verbose_name_plural = _("活跃事件")
        indexes = [
            # recounting what one member did in one community on one day
            models.Index(fields=["community", "member", "occurred_at"], name="events_to_recount"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(member__isnull=False, staff__isnull=True)
                | models.Q(member__isnull=True, staff__isnull=False),
                name="activity_is_of_one_person",
                violation_error_message=_("一条活跃只能属于一位成员或一位员工。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.pk})"


class ActivityKey(models.Model):
    """That an event was counted: 128 bits of a digest over enterprise, source and dedupe key.

    A partitioned table can only be unique within a month, and the same event may be reported
    again with another time. So the keys stand in a table of their own, as narrow as it can be.
    """

    digest = models.UUIDField(primary_key=True)

    class Meta:
        verbose_name = _("活跃去重键")
        verbose_name_plural = _("活跃去重键")

    def __str__(self) -> str:
        return str(self.pk)


class DetachedMonth(models.Model):
    """A UTC month whose events were taken out of ``ActivityEvent`` into a table of their own.

    Its days can be neither recounted nor added to: they stay as they were counted. The table may
    be archived and dropped; this row says that there was one.
    """

    month = models.DateField(primary_key=True)
    detached_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("已分离的月份")
        verbose_name_plural = _("已分离的月份")

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class DayCheck(models.Model):
    """What the last check of an enterprise's days against events and orders found."""

    enterprise = models.OneToOneField(
        Enterprise, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    checked_at = models.DateTimeField(db_default=Now())
    day_count = models.PositiveBigIntegerField(default=0)
    wrong_count = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("日汇总核对")
        verbose_name_plural = _("日汇总核对")

    def __str__(self) -> str:
        return str(self.pk)


class MemberDayQuerySet(models.QuerySet["MemberDay"]):
    def visible_to(self, user: User) -> MemberDayQuerySet:
        return self.filter(in_communities_of(user))


class MemberDay(models.Model):
    """What a member did in a community on one local day: always equal to a recount of events.

    Everything in it can be added to in any order: counts are summed, ``hours`` is the union of
    bits (bit h: something happened in the local hour h), ``threads`` the union of the 64-bit
    digests of threads, of which ``thread_count`` is the number.
    """

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("企业"),
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("社群"),
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="days",
        db_constraint=False,
        db_index=False,
        verbose_name=_("成员"),
    )
    day = models.DateField(_("日期"))
    message_count = models.PositiveIntegerField(_("发言"), default=0)
    post_count = models.PositiveIntegerField(_("发帖"), default=0)
    comment_count = models.PositiveIntegerField(_("评论"), default=0)
    checkin_count = models.PositiveIntegerField(_("打卡"), default=0)
    click_count = models.PositiveIntegerField(_("点击"), default=0)
    other_count = models.PositiveIntegerField(_("其他互动"), default=0)
    thread_count = models.PositiveIntegerField(
        _("话题数"), default=0, help_text=_("参与了几个不同话题；没有话题信息的合计为一个。")
    )
    hours = models.IntegerField(default=0, db_default=0, editable=False)
    threads = ArrayField(models.BigIntegerField(), default=list, db_default=[], editable=False)

    objects = MemberDayQuerySet.as_manager()

    class Meta:
        verbose_name = _("成员日活跃")
        verbose_name_plural = _("成员日活跃")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "community", "day"],
                name="one_row_per_member_and_day",
                violation_error_message=_("这一天已有记录。"),
            ),
        ]
        indexes = [
            # activity of a whole community over a range of days
            models.Index(fields=["community", "day"], name="days_of_community"),
            # the list of an enterprise, newest first
            models.Index(fields=["enterprise", "-day", "-id"], name="days_newest_first"),
            # the days of a window, for criteria over everybody: rows come in day by day
            BrinIndex(
                fields=["day"], name="days_of_window", pages_per_range=32, autosummarize=True
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.day} ({self.pk})"


class StaffDay(models.Model):
    """What a colleague did in a community on one local day: always equal to a recount of events."""

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("企业"),
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("社群"),
    )
    staff = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("员工"),
    )
    day = models.DateField(_("日期"))
    message_count = models.PositiveIntegerField(
        _("发言"), default=0, help_text=_("发言、发帖和评论。")
    )
    other_count = models.PositiveIntegerField(_("其他互动"), default=0)

    class Meta:
        verbose_name = _("员工日活跃")
        verbose_name_plural = _("员工日活跃")
        constraints = [
            models.UniqueConstraint(
                fields=["community", "day", "staff"],
                name="one_row_per_staff_and_day",
                violation_error_message=_("这一天已有记录。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.staff_id} {self.day} ({self.pk})"


class ActivityCoverageQuerySet(models.QuerySet["ActivityCoverage"]):
    def visible_to(self, user: User) -> ActivityCoverageQuerySet:
        return self.filter(community__in=Community.objects.visible_to(user))

    def measuring(self, since: datetime, until: datetime) -> ActivityCoverageQuerySet:
        """Sources that had begun to measure at ``since`` and had not stopped before ``until``."""
        return self.filter(covered_from__lte=since, covered_to__gte=until)


class ActivityCoverage(models.Model):
    """From when to when a source has measured a community: silence outside it means nothing.

    The periods of one source are disjoint and further apart than ``COVERAGE_GAP``: what comes
    closer grows together. So they do not depend on the order in which events arrive.
    """

    community = models.ForeignKey(
        Community, on_delete=models.CASCADE, related_name="coverage", verbose_name=_("社群")
    )
    source = models.CharField(_("数据来源"), max_length=40)
    covered_from = models.DateTimeField(_("起"))
    covered_to = models.DateTimeField(_("止"))

    objects = ActivityCoverageQuerySet.as_manager()

    class Meta:
        verbose_name = _("活跃数据覆盖")
        verbose_name_plural = _("活跃数据覆盖")
        constraints = [
            ExclusionConstraint(
                name="coverage_periods_are_disjoint",
                expressions=[
                    ("community", RangeOperators.EQUAL),
                    ("source", RangeOperators.EQUAL),
                    (
                        TimeRange(
                            "covered_from", "covered_to", RangeBoundary(inclusive_upper=True)
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_message=_("同一来源的覆盖时段不能重叠。"),
            ),
            models.CheckConstraint(
                condition=models.Q(covered_to__gte=models.F("covered_from")),
                name="coverage_ends_after_it_begins",
                violation_error_message=_("覆盖的结束不能早于开始。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.community_id} {self.source} ({self.pk})"
