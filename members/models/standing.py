"""What is known about a member: classifications, tags, tiers and consents. Periods and ledgers:
closed, never rewritten."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models import ClassificationValue, Tier, TierScheme
from members.models.member import Member
from members.rules.standing import (
    ClassificationSource,
    ConsentDecision,
    ConsentPurpose,
    TierCause,
)
from scrm.accounts.models import Enterprise, User

if TYPE_CHECKING:
    from typing import Self


class OfMembers[M: models.Model](models.QuerySet[M]):
    """Rows about members, seen by who sees the member."""

    def visible_to(self, user: User) -> Self:
        return self.filter(member__in=Member.objects.visible_to(user))


class MemberClassificationQuerySet(OfMembers["MemberClassification"]):
    def in_force(self, now: datetime) -> MemberClassificationQuerySet:
        return self.filter(ended_at=None).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class MemberClassification(models.Model):
    """That a member has a value of an axis, since when, until when, and how we know."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="classifications", verbose_name=_("成员")
    )
    value = models.ForeignKey(
        ClassificationValue,
        on_delete=models.PROTECT,
        related_name="classifications",
        verbose_name=_("分类值"),
    )
    source = models.CharField(_("来源"), max_length=20, choices=ClassificationSource.choices)
    granted_at = models.DateTimeField(_("起"), db_default=Now())
    granted_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("操作人"),
    )
    expires_at = models.DateTimeField(_("到期"), null=True, blank=True)
    ended_at = models.DateTimeField(_("止"), null=True, blank=True)

    objects = MemberClassificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("成员分类")
        verbose_name_plural = _("成员分类")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "value", "source"],
                condition=models.Q(ended_at=None),
                name="one_open_classification_per_source",
                violation_error_message=_("这位成员已由同一来源归入这个分类。"),
            ),
            models.CheckConstraint(
                condition=models.Q(source__in=ClassificationSource.values),
                name="classification_source_is_known",
                violation_error_message=_("未知的分类来源。"),
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gte=models.F("granted_at")),
                name="classification_ends_after_it_begins",
                violation_error_message=_("分类的结束不能早于开始。"),
            ),
        ]
        indexes = [
            # who has one of these values now: criteria, reports, splits
            models.Index(
                fields=["value", "member"],
                condition=models.Q(ended_at=None),
                name="members_of_value",
            ),
            # what the sweep of expired classifications finds
            models.Index(
                fields=["expires_at"],
                condition=models.Q(ended_at=None, expires_at__isnull=False),
                name="classifications_that_expire",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class TagQuerySet(models.QuerySet["Tag"]):
    def visible_to(self, user: User) -> TagQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class Tag(models.Model):
    """A word that colleagues put on members."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="tags", verbose_name=_("企业")
    )
    code = models.SlugField(_("代码"), max_length=40)
    name = models.CharField(_("名称"), max_length=60)

    objects = TagQuerySet.as_manager()

    class Meta:
        verbose_name = _("标签")
        verbose_name_plural = _("标签")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "code"],
                name="tag_code_is_unique",
                violation_error_message=_("已有相同代码的标签。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MemberTagQuerySet(OfMembers["MemberTag"]):
    def current(self) -> MemberTagQuerySet:
        return self.filter(removed_at=None)


class MemberTag(models.Model):
    """That a member wears a tag, from when to when."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="tags", verbose_name=_("成员")
    )
    tag = models.ForeignKey(
        Tag, on_delete=models.PROTECT, related_name="members", verbose_name=_("标签")
    )
    added_at = models.DateTimeField(_("打上时间"), db_default=Now())
    added_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("操作人")
    )
    removed_at = models.DateTimeField(_("去掉时间"), null=True, blank=True)

    objects = MemberTagQuerySet.as_manager()

    class Meta:
        verbose_name = _("成员标签")
        verbose_name_plural = _("成员标签")
        constraints = [
            models.UniqueConstraint(
                fields=["tag", "member"],
                condition=models.Q(removed_at=None),
                name="one_current_tag",
                violation_error_message=_("这位成员已有这个标签。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class TieringRun(models.Model):
    """One nightly recomputation of a scheme, member range by member range; resumable."""

    scheme = models.ForeignKey(
        TierScheme, on_delete=models.CASCADE, related_name="runs", verbose_name=_("分层方案")
    )
    day = models.DateField(_("日期"))
    next_member = models.BigIntegerField(_("下一位成员"), default=0)
    member_count = models.PositiveBigIntegerField(_("核对人数"), default=0)
    promoted_count = models.PositiveBigIntegerField(_("升级"), default=0)
    demoted_count = models.PositiveBigIntegerField(_("降级"), default=0)
    started_at = models.DateTimeField(_("开始"), db_default=Now())
    finished_at = models.DateTimeField(_("结束"), null=True, blank=True)

    class Meta:
        verbose_name = _("层级核算")
        verbose_name_plural = _("层级核算")
        constraints = [
            models.UniqueConstraint(
                fields=["scheme", "day"],
                name="one_tiering_run_per_day",
                violation_error_message=_("这一天已经核算过。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scheme_id} {self.day} ({self.pk})"


class TierAssignmentQuerySet(OfMembers["TierAssignment"]):
    def current(self) -> TierAssignmentQuerySet:
        return self.filter(ended_at=None)


class TierAssignment(models.Model):
    """A member's rank in a scheme, as a period, with the measured clauses that caused it.

    A member whom no tier takes has no open period. ``below_since`` is when the member first fell
    below what keeping the tier asks; the tier is lost when its grace has run out.
    """

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="tier_assignments", verbose_name=_("成员")
    )
    scheme = models.ForeignKey(
        TierScheme,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,  # nothing is looked up by it alone
        verbose_name=_("分层方案"),
    )
    tier = models.ForeignKey(
        Tier, on_delete=models.PROTECT, related_name="assignments", verbose_name=_("层级")
    )
    cause = models.CharField(_("原因"), max_length=20, choices=TierCause.choices)
    clauses = models.JSONField(
        _("依据"), default=list, help_text=_("当时的每个条件：要求、实际、是否满足、还差多少。")
    )
    started_at = models.DateTimeField(_("起"), db_default=Now())
    ended_at = models.DateTimeField(_("止"), null=True, blank=True)
    end_cause = models.CharField(
        _("结束原因"),
        max_length=20,
        choices=TierCause.choices,
        blank=True,
        default="",
        db_default="",
    )
    end_clauses = models.JSONField(
        _("失去的依据"),
        default=list,
        blank=True,
        db_default=models.Value([], models.JSONField()),
        help_text=_("失去层级时保级线的每个条件：要求、实际、是否满足、还差多少。"),
    )
    below_since = models.DateTimeField(_("低于保级线起"), null=True, blank=True)
    is_locked = models.BooleanField(_("锁定"), default=False)
    locked_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("锁定人"),
    )
    reason = models.CharField(_("说明"), max_length=300, blank=True, default="")

    objects = TierAssignmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("成员层级")
        verbose_name_plural = _("成员层级")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "scheme"],
                condition=models.Q(ended_at=None),
                name="one_current_tier",
                violation_error_message=_("这位成员在这个方案里已有层级。"),
            ),
            models.CheckConstraint(
                condition=models.Q(cause__in=TierCause.values),
                name="tier_cause_is_known",
                violation_error_message=_("未知的定级原因。"),
            ),
            models.CheckConstraint(
                condition=models.Q(end_cause__in=["", *TierCause.values]),
                name="tier_end_cause_is_known",
                violation_error_message=_("未知的结束原因。"),
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gte=models.F("started_at")),
                name="tier_ends_after_it_begins",
                violation_error_message=_("层级的结束不能早于开始。"),
            ),
        ]
        indexes = [
            # how many members hold each tier of a scheme, and how many of them are below the line
            models.Index(
                fields=["scheme", "tier", "below_since"],
                condition=models.Q(ended_at=None),
                name="members_of_tier",
            ),
            # who rose and who fell lately
            models.Index(
                fields=["scheme", "started_at"],
                condition=models.Q(cause=TierCause.PROMOTED),
                name="promotions_of_scheme",
            ),
            models.Index(
                fields=["scheme", "ended_at"],
                condition=models.Q(end_cause=TierCause.DEMOTED),
                name="demotions_of_scheme",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class TierDue(models.Model):
    """A member whose facts changed since the tiers were last looked at; the sweep takes the row."""

    member = models.OneToOneField(
        Member, on_delete=models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    since = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("待核算成员")
        verbose_name_plural = _("待核算成员")

    def __str__(self) -> str:
        return str(self.pk)


class ConsentQuerySet(OfMembers["Consent"]):
    pass


class Consent(models.Model):
    """What a member said about one purpose, when, and to which text. Append-only: the latest
    row of a purpose counts, and without one the answer is no."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="consents", verbose_name=_("成员")
    )
    purpose = models.CharField(_("用途"), max_length=20, choices=ConsentPurpose.choices)
    decision = models.CharField(_("决定"), max_length=20, choices=ConsentDecision.choices)
    text_version = models.CharField(_("告知文本版本"), max_length=40)
    source = models.CharField(_("来源"), max_length=40)
    decided_at = models.DateTimeField(_("时间"), db_default=Now())

    objects = ConsentQuerySet.as_manager()

    class Meta:
        verbose_name = _("授权")
        verbose_name_plural = _("授权")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(purpose__in=ConsentPurpose.values)
                & models.Q(decision__in=ConsentDecision.values),
                name="consent_is_known",
                violation_error_message=_("未知的授权用途或决定。"),
            ),
        ]
        indexes = [
            # the latest word of a member about a purpose
            models.Index(
                fields=["purpose", "member", "-id"], include=["decision"], name="latest_consent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
