from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Sum
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.models.content import ContentVersion
from campaigns.models.segment import Segment
from campaigns.models.sop import SopStep
from campaigns.rules.status import (
    AWAITING_TIME,
    OPEN_RUN,
    BroadcastStatus,
    BroadcastTarget,
    FreezeAt,
    MisfirePolicy,
    RunStatus,
)
from communities.models import Community, GroupChat, SplitBranch
from communities.rules.kinds import ContentCategory
from scrm.accounts.models import Enterprise, User
from scrm.accounts.rules.roles import DataScope
from scrm.wecom.models import ChannelAccount


class BroadcastQuerySet(models.QuerySet["Broadcast"]):
    def visible_to(self, user: User) -> BroadcastQuerySet:
        """Every broadcast of the enterprise, or with a narrower scope those that go to no
        community outside it."""
        broadcasts = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return broadcasts
        beyond = Broadcast.communities.through.objects.filter(
            broadcast=models.OuterRef("pk")
        ).exclude(community__in=Community.objects.visible_to(user))
        return broadcasts.filter(~models.Exists(beyond))

    def with_progress(self) -> BroadcastQuerySet:
        """Adds ``recipient_count`` and ``settled_count`` of all its runs, from their counters."""
        runs = Run.objects.filter(broadcast=models.OuterRef("pk")).order_by().values("broadcast")
        settled = Sum("dispatches__delivered_count") + Sum("dispatches__failed_count")
        settled += Sum("dispatches__suppressed_count") + Sum("dispatches__cancelled_count")
        settled += Sum("dispatches__expired_count")
        return self.annotate(
            recipient_count=Coalesce(
                models.Subquery(runs.annotate(n=Sum("recipient_count")).values("n")), 0
            ),
            settled_count=Coalesce(models.Subquery(runs.annotate(n=settled).values("n")), 0),
        )

    def due(self, now: datetime) -> BroadcastQuerySet:
        return self.filter(status__in=AWAITING_TIME, scheduled_at__lte=now)


class Broadcast(models.Model):
    """One message to many: what it says, to whom, when, and who approved it.

    ``scheduled_at`` is when it next begins to run: nothing waits in a broker. One that recurs has a
    ``schedule``, from which the time after that comes; it may be due again while it still runs.
    Status moves only through ``campaigns.services``.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="broadcasts", verbose_name=_("企业")
    )
    name = models.CharField(_("标题"), max_length=120)
    category = models.CharField(
        _("内容类别"),
        max_length=20,
        choices=ContentCategory.choices,
        default=ContentCategory.SERVICE,
    )
    body = models.TextField(
        _("内容"),
        max_length=4000,
        help_text=_("可用变量：{{昵称}}、{{社群}}（发给成员时）；{{群名}}、{{社群}}（发到群时）。"),
    )
    target = models.CharField(
        _("发给"),
        max_length=20,
        choices=BroadcastTarget.choices,
        default=BroadcastTarget.MEMBERS,
    )
    communities = models.ManyToManyField(
        Community, related_name="broadcasts", verbose_name=_("社群")
    )
    chats = models.ManyToManyField(
        GroupChat,
        related_name="broadcasts",
        blank=True,
        verbose_name=_("指定的群"),
        help_text=_("只用于发到客户群；留空表示这些社群的所有群。"),
    )
    criterion = models.JSONField(
        _("人群条件"), default=dict, blank=True, help_text=_("空表示社群里的所有人（或所有群）。")
    )
    segments = models.ManyToManyField(
        Segment,
        related_name="broadcasts",
        blank=True,
        verbose_name=_("人群包"),
        help_text=_("在其中任何一个里；留空表示不限。"),
    )
    excluded_segments = models.ManyToManyField(
        Segment, related_name="+", blank=True, verbose_name=_("排除的人群包")
    )
    freeze_at = models.CharField(
        _("锁定名单"),
        max_length=20,
        choices=FreezeAt.choices,
        default=FreezeAt.START,
        db_default=FreezeAt.START,
        help_text=_("批准时锁定：之后才符合条件的人不会收到。"),
    )
    content_version = models.ForeignKey(
        ContentVersion,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="broadcasts",
        verbose_name=_("内容版本"),
        help_text=_("内容来自内容库的哪一版。"),
    )
    attachments = models.JSONField(
        _("附件"), default=list, db_default=models.Value([], models.JSONField()), blank=True
    )
    cost_amount = models.BigIntegerField(
        _("成本（分）"), default=0, db_default=0, help_text=_("这次群发的制作与权益成本。")
    )
    remind_after_hours = ArrayField(
        models.PositiveSmallIntegerField(),
        verbose_name=_("催群主确认（小时）"),
        default=list,
        db_default=models.Value([]),
        blank=True,
        help_text=_("提交后几小时提醒还没确认的群主，例如 4, 24；平台每 24 小时最多 3 次。"),
    )
    error_budget_percent = models.PositiveSmallIntegerField(
        _("失败上限（%）"), default=0, db_default=0, help_text=_("超过即自动暂停；0 表示不限。")
    )
    override_reason = models.CharField(
        _("坚持使用的理由"),
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text=_("广告法检查有拦截项时，写明为什么可以用；由审批人决定。"),
    )
    required_approvals = models.PositiveSmallIntegerField(
        _("需要几人批准"), default=1, db_default=1, editable=False
    )
    content_digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("批准的是哪个内容；变了批准就作废。"),
    )
    sop_step = models.ForeignKey(
        SopStep,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="broadcasts",
        verbose_name=_("来自 SOP"),
    )
    channel_account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("渠道账号")
    )
    split_branch = models.ForeignKey(
        SplitBranch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="broadcasts",
        verbose_name=_("拆群分支"),
        help_text=_("邀请成员搬到拆出来的社群。"),
    )
    scheduled_at = models.DateTimeField(_("计划时间"), null=True, blank=True)
    misfire_policy = models.CharField(
        _("错过时间"),
        max_length=20,
        choices=MisfirePolicy.choices,
        default=MisfirePolicy.RUN_LATE,
    )
    misfire_grace_minutes = models.PositiveIntegerField(_("宽限（分钟）"), default=60)
    status = models.CharField(
        _("状态"), max_length=20, choices=BroadcastStatus.choices, default=BroadcastStatus.DRAFT
    )
    status_reason = models.CharField(_("状态说明"), max_length=300, blank=True, default="")
    author = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("作者")
    )
    last_editor = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("最后修改人")
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

    objects = BroadcastQuerySet.as_manager()

    class Meta:
        verbose_name = _("群发")
        verbose_name_plural = _("群发")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=BroadcastStatus.values),
                name="broadcast_status_is_known",
                violation_error_message=_("未知的群发状态。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(status=BroadcastStatus.SCHEDULED)
                | models.Q(scheduled_at__isnull=False),
                name="scheduled_broadcast_has_a_time",
                violation_error_message=_("已排期的群发必须有时间。"),
            ),
            models.CheckConstraint(
                condition=models.Q(approved_by=None)
                | (
                    ~models.Q(approved_by=models.F("author"))
                    & ~models.Q(approved_by=models.F("last_editor"))
                ),
                name="broadcast_is_approved_by_another",
                violation_error_message=_("作者和最后修改人不能审批这条群发。"),
            ),
            models.UniqueConstraint(
                fields=["split_branch"],
                condition=~models.Q(status=BroadcastStatus.CANCELLED),
                name="one_broadcast_per_split_branch",
                violation_error_message=_("这个拆群分支已有一条邀请群发。"),
            ),
        ]
        indexes = [
            # the sweep for due broadcasts
            models.Index(
                fields=["scheduled_at"],
                condition=models.Q(status__in=sorted(AWAITING_TIME)),
                name="due_broadcasts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: User) -> RunQuerySet:
        return self.filter(broadcast__in=Broadcast.objects.visible_to(user))

    def open(self) -> RunQuerySet:
        return self.filter(status__in=OPEN_RUN)


class Run(models.Model):
    """One occurrence of a broadcast; unique per broadcast and planned time, so that no number of
    schedulers makes it happen twice."""

    broadcast = models.ForeignKey(
        Broadcast, on_delete=models.PROTECT, related_name="runs", verbose_name=_("群发")
    )
    planned_for = models.DateTimeField(_("计划时间"))
    status = models.CharField(
        _("状态"), max_length=20, choices=RunStatus.choices, default=RunStatus.FREEZING
    )
    frozen_community_id = models.BigIntegerField(
        _("名单锁定到的社群"), default=0, help_text=_("按编号顺序逐个社群锁定名单。")
    )
    frozen_through = models.BigIntegerField(
        _("名单锁定到"), default=0, help_text=_("这个社群里编号不大于它的收件人已锁定。")
    )
    recipient_count = models.PositiveBigIntegerField(_("收件人数"), default=0)
    dispatch_count = models.PositiveIntegerField(_("批次数"), default=0)
    trouble_count = models.PositiveIntegerField(
        _("连续故障"), default=0, help_text=_("渠道连续多少次没有正常应答。")
    )
    forgiven_count = models.PositiveBigIntegerField(
        _("不再计入上限的失败"), default=0, db_default=0, editable=False
    )
    held_until = models.DateTimeField(
        _("暂缓到"),
        null=True,
        blank=True,
        help_text=_("渠道限流、故障或免打扰时，到这个时间再继续。"),
    )
    held_reason = models.CharField(
        _("暂缓原因"), max_length=40, blank=True, default="", db_default=""
    )
    status_reason = models.CharField(
        _("状态说明"), max_length=300, blank=True, default="", db_default=""
    )
    arm = models.SmallIntegerField(
        _("实验组"), null=True, blank=True, help_text=_("按天轮换的实验里，这一天是第几组。")
    )
    is_prefrozen = models.BooleanField(
        _("批准时已锁定名单"), default=False, db_default=False, editable=False
    )
    content_version = models.ForeignKey(
        ContentVersion,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="runs",
        verbose_name=_("内容版本"),
    )
    started_at = models.DateTimeField(_("开始时间"), db_default=Now())
    finished_at = models.DateTimeField(_("结束时间"), null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("群发执行")
        verbose_name_plural = _("群发执行")
        constraints = [
            models.UniqueConstraint(
                fields=["broadcast", "planned_for"],
                name="one_run_per_planned_time",
                violation_error_message=_("这个时间的执行已存在。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=RunStatus.values),
                name="run_status_is_known",
                violation_error_message=_("未知的执行状态。"),
            ),
        ]
        indexes = [
            # the sweeps: what still has something to do
            models.Index(
                fields=["id"], condition=models.Q(status__in=sorted(OPEN_RUN)), name="open_runs"
            ),
        ]

    def __str__(self) -> str:
        return gettext("执行 #%(id)s") % {"id": self.pk}

    @property
    def enterprise_id(self) -> int:
        return self.broadcast.enterprise_id
