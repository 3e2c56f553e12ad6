from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.broadcast import Broadcast, Run
from campaigns.rules.guarding import (
    CapWindow,
    ConsentRule,
    Decision,
    Severity,
    TermKind,
    WatchState,
)
from campaigns.rules.status import BroadcastTarget
from communities.models import Community
from communities.rules.kinds import ContentCategory
from scrm.accounts.models import Enterprise, User
from scrm.wecom.models import ChannelAccount


class SendPolicyQuerySet(models.QuerySet["SendPolicy"]):
    def visible_to(self, user: User) -> SendPolicyQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class SendPolicy(models.Model):
    """How much an enterprise lets itself say, and when it stops. One per enterprise.

    Service messages are free of quiet hours, caps and advert share, never of a refusal.
    """

    enterprise = models.OneToOneField(
        Enterprise, on_delete=models.PROTECT, related_name="send_policy", verbose_name=_("企业")
    )
    consent_rule = models.CharField(
        _("一对一发送"),
        max_length=20,
        choices=ConsentRule.choices,
        default=ConsentRule.REQUIRED,
    )
    quiet_from = models.TimeField(_("免打扰从"), null=True, blank=True)
    quiet_until = models.TimeField(_("到"), null=True, blank=True)
    advert_warn_percent = models.PositiveSmallIntegerField(_("广告占比提示（%）"), default=30)
    advert_block_percent = models.PositiveSmallIntegerField(
        _("广告占比拦截（%）"), default=60, help_text=_("超过才拦截；社群可以自己定得更低。")
    )
    advert_window_days = models.PositiveSmallIntegerField(_("广告占比看几天"), default=7)
    advert_minimum_posts = models.PositiveSmallIntegerField(
        _("至少几条才拦截"), default=5, help_text=_("发得很少时，一条广告不说明什么。")
    )
    full_blast_percent = models.PositiveSmallIntegerField(
        _("全员群发（%）"),
        default=80,
        help_text=_("收件人达到这个比例、又没有任何筛选，就要两位审批人。"),
    )
    breaker_is_on = models.BooleanField(_("退群熔断"), default=True)
    breaker_day_permille = models.PositiveSmallIntegerField(
        _("24 小时多退（‰）"), default=10, help_text=_("比平时多出这么多就叫停。")
    )
    breaker_three_days_permille = models.PositiveSmallIntegerField(
        _("72 小时多退（‰）"), default=20
    )
    breaker_minimum_leaves = models.PositiveSmallIntegerField(_("至少几人退出"), default=5)
    margin_percent = models.PositiveSmallIntegerField(
        _("毛利率（%）"), default=30, help_text=_("报告用它把增量销售额换成毛利。")
    )
    changed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("修改人")
    )
    changed_at = models.DateTimeField(_("修改时间"), db_default=Now())

    objects = SendPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("发送规则")
        verbose_name_plural = _("发送规则")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    advert_warn_percent__lte=100,
                    advert_block_percent__lte=100,
                    full_blast_percent__gte=1,
                    full_blast_percent__lte=100,
                    margin_percent__lte=100,
                ),
                name="send_policy_percentages_are_percentages",
                violation_error_message=_("百分比必须在 0 到 100 之间。"),
            ),
            models.CheckConstraint(
                condition=models.Q(quiet_from=None, quiet_until=None)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_hours_have_both_ends",
                violation_error_message=_("免打扰要么填起止两个时间，要么都不填。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.enterprise_id} ({self.pk})"


class FrequencyCapQuerySet(models.QuerySet["FrequencyCap"]):
    def visible_to(self, user: User) -> FrequencyCapQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class FrequencyCap(models.Model):
    """How many messages somebody gets at most in a window. 0 means "no limit"."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="frequency_caps", verbose_name=_("企业")
    )
    target = models.CharField(_("发给"), max_length=20, choices=BroadcastTarget.choices)
    category = models.CharField(
        _("内容类别"),
        max_length=20,
        choices=ContentCategory.choices,
        blank=True,
        default="",
        help_text=_("留空表示服务类以外的全部合计。"),
    )
    window = models.CharField(_("时间"), max_length=20, choices=CapWindow.choices)
    limit = models.PositiveSmallIntegerField(_("最多几条"), help_text=_("0 表示不限。"))

    objects = FrequencyCapQuerySet.as_manager()

    class Meta:
        verbose_name = _("频次上限")
        verbose_name_plural = _("频次上限")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "target", "category", "window"],
                name="one_cap_per_category_and_window",
                violation_error_message=_("已有相同的频次上限。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(category=ContentCategory.SERVICE),
                name="service_messages_have_no_cap",
                violation_error_message=_("服务类消息不受频次限制。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.window} {self.limit} ({self.pk})"


class LexiconTermQuerySet(models.QuerySet["LexiconTerm"]):
    def visible_to(self, user: User) -> LexiconTermQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class LexiconTerm(models.Model):
    """A word that an enterprise adds to the shipped lexicon, or judges in its own way."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    term = models.CharField(_("词"), max_length=40)
    kind = models.CharField(
        _("类别"), max_length=20, choices=TermKind.choices, default=TermKind.OWN
    )
    severity = models.CharField(_("程度"), max_length=20, choices=Severity.choices)
    article = models.CharField(_("依据"), max_length=120, blank=True, default="")
    suggestion = models.CharField(_("建议"), max_length=120, blank=True, default="")
    exceptions = ArrayField(
        models.CharField(max_length=40),
        verbose_name=_("例外"),
        default=list,
        blank=True,
        help_text=_("词在这些说法里时不算，例如“第一次”。"),
    )
    is_active = models.BooleanField(_("启用"), default=True)
    changed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("修改人")
    )
    changed_at = models.DateTimeField(_("修改时间"), db_default=Now())

    objects = LexiconTermQuerySet.as_manager()

    class Meta:
        verbose_name = _("词库条目")
        verbose_name_plural = _("广告法词库")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "term"],
                name="lexicon_term_is_unique",
                violation_error_message=_("这个词已在词库里。"),
            ),
        ]

    def __str__(self) -> str:
        return self.term


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def visible_to(self, user: User) -> ApprovalQuerySet:
        return self.filter(broadcast__in=Broadcast.objects.visible_to(user))


class Approval(models.Model):
    """One person's word about exactly these contents, with what they were shown. Append-only.

    Everything that sends a broadcast back begins a new round: what was approved before counts no
    more. Nobody's word stands behind a row that says why approvals are void by themselves.
    """

    broadcast = models.ForeignKey(
        Broadcast, on_delete=models.PROTECT, related_name="approvals", verbose_name=_("群发")
    )
    round = models.PositiveSmallIntegerField(_("第几轮"), default=1, db_default=1)
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("审批人")
    )
    decision = models.CharField(_("决定"), max_length=20, choices=Decision.choices)
    content_digest = models.CharField(max_length=64, editable=False)
    shown = models.JSONField(
        _("当时看到的"), default=dict, help_text=_("人数、全员比例、检查结果和词库版本。")
    )
    note = models.CharField(_("说明"), max_length=300, blank=True, default="")
    decided_at = models.DateTimeField(_("时间"), db_default=Now())

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        verbose_name = _("审批")
        verbose_name_plural = _("审批记录")
        constraints = [
            models.UniqueConstraint(
                fields=["broadcast", "user", "round"],
                condition=models.Q(decision=Decision.APPROVED),
                name="one_approval_per_person_and_round",
                violation_error_message=_("你已经批准过这个内容。"),
            ),
            models.CheckConstraint(
                condition=models.Q(user__isnull=False) | models.Q(decision=Decision.VOID),
                name="approval_is_somebodys_word",
                violation_error_message=_("批准和退回要有审批人。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.broadcast_id} {self.decision} ({self.pk})"


class CommunityPost(models.Model):
    """That a community was told something by a run: what its advert share is counted from."""

    community = models.ForeignKey(
        Community, on_delete=models.PROTECT, related_name="posts", verbose_name=_("社群")
    )
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="posts", verbose_name=_("群发执行")
    )
    category = models.CharField(_("内容类别"), max_length=20, choices=ContentCategory.choices)
    posted_at = models.DateTimeField(_("时间"), db_default=Now())

    class Meta:
        verbose_name = _("社群消息")
        verbose_name_plural = _("社群消息")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "community"],
                name="one_post_per_run_and_community",
                violation_error_message=_("这次执行在这个社群已有记录。"),
            ),
        ]
        indexes = [
            models.Index(fields=["community", "posted_at"], name="posts_of_community"),
        ]

    def __str__(self) -> str:
        return f"{self.community_id} {self.category} ({self.pk})"


class QuitWatchQuerySet(models.QuerySet["QuitWatch"]):
    def visible_to(self, user: User) -> QuitWatchQuerySet:
        return self.filter(run__in=Run.objects.visible_to(user))

    def watching(self) -> QuitWatchQuerySet:
        return self.filter(state=WatchState.WATCHING)


class QuitWatch(models.Model):
    """Who left after a run, against what is usual, in one window. Its last look is kept."""

    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="quit_watches", verbose_name=_("群发执行")
    )
    window_hours = models.PositiveSmallIntegerField(_("几小时内"))
    state = models.CharField(
        _("状态"), max_length=20, choices=WatchState.choices, default=WatchState.WATCHING
    )
    exposed_count = models.PositiveBigIntegerField(_("收到的人数"), default=0)
    leave_count = models.PositiveBigIntegerField(_("退出"), default=0)
    began_at = models.DateTimeField(
        _("开始送达"), null=True, blank=True, help_text=_("平时的退出率看之前 14 天的同一时段。")
    )
    population = models.PositiveBigIntegerField(
        _("平时在群人数"),
        default=0,
        db_default=0,
        help_text=_("之前 14 天平均有多少人在这些社群（或群）里；开始送达时数一次。"),
    )
    baseline_rate = models.FloatField(_("平时的退出率"), default=0)
    usual_by_hour = ArrayField(
        models.FloatField(),
        verbose_name=_("平时每小时的退出率"),
        default=list,
        db_default=models.Value([]),
        blank=True,
        help_text=_("从开始送达的钟点起 24 个小时，之前 14 天平均。"),
    )
    baseline_days = models.PositiveSmallIntegerField(
        _("平时看了几天"), default=0, db_default=0, help_text=_("14 天里没有别的群发的日子。")
    )
    lower = models.FloatField(_("退出率下限"), default=0, help_text=_("Wilson 95% 区间。"))
    upper = models.FloatField(_("退出率上限"), default=0)
    value_amount = models.BigIntegerField(_("流失的价值（分）"), default=0)
    checked_at = models.DateTimeField(_("检查时间"), db_default=Now())

    objects = QuitWatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("退群观察")
        verbose_name_plural = _("退群观察")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "window_hours"],
                name="one_watch_per_run_and_window",
                violation_error_message=_("这次执行已有这个观察。"),
            ),
        ]
        indexes = [
            # the sweep: whom it has not looked at for longest
            models.Index(
                fields=["checked_at"],
                condition=models.Q(state=WatchState.WATCHING),
                name="open_quit_watches",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.window_hours}h ({self.pk})"


class RunReportQuerySet(models.QuerySet["RunReport"]):
    def visible_to(self, user: User) -> RunReportQuerySet:
        return self.filter(run__in=Run.objects.visible_to(user))


class RunReport(models.Model):
    """What a run brought and what it cost, as of ``computed_at``; final once its windows closed."""

    run = models.OneToOneField(
        Run, on_delete=models.PROTECT, related_name="report", verbose_name=_("群发执行")
    )
    figures = models.JSONField(_("数字"), default=dict)
    computed_at = models.DateTimeField(_("计算时间"), db_default=Now())
    is_final = models.BooleanField(_("已定稿"), default=False)

    objects = RunReportQuerySet.as_manager()

    class Meta:
        verbose_name = _("群发报告")
        verbose_name_plural = _("群发报告")
        indexes = [
            # the sweep: what was computed longest ago
            models.Index(
                fields=["computed_at"],
                condition=models.Q(is_final=False),
                name="unfinished_reports",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} ({self.pk})"


class ChannelRate(models.Model):
    """When the next message may go through an account: the bucket that all workers share.

    ``next_at`` is the theoretical arrival time of the generic cell rate algorithm, by the clock
    of the database. It lies ahead while the bucket is not full.
    """

    account = models.OneToOneField(
        ChannelAccount, on_delete=models.CASCADE, related_name="rate", primary_key=True
    )
    next_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("渠道速率")
        verbose_name_plural = _("渠道速率")

    def __str__(self) -> str:
        return str(self.pk)
