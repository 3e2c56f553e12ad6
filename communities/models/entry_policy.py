from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models.classification import ClassificationAxis
from communities.models.community import Community
from communities.rules.kinds import EntryMode
from scrm.accounts.models import User


class EntryPolicyQuerySet(models.QuerySet["EntryPolicy"]):
    def visible_to(self, user: User) -> EntryPolicyQuerySet:
        return self.filter(community__in=Community.objects.visible_to(user))

    def active(self) -> EntryPolicyQuerySet:
        return self.filter(is_active=True)


class EntryPolicy(models.Model):
    """Who may enter a community. Never edited: a change is a new version, and decided
    applications keep the version they were decided by. One version is active at a time."""

    community = models.ForeignKey(
        Community, on_delete=models.PROTECT, related_name="entry_policies", verbose_name=_("社群")
    )
    version = models.PositiveIntegerField(_("版本"))
    mode = models.CharField(_("方式"), max_length=20, choices=EntryMode.choices)
    criterion = models.JSONField(
        _("准入门槛"), default=dict, blank=True, help_text=_("空表示没有门槛。")
    )
    evidence_axes = models.ManyToManyField(
        ClassificationAxis,
        related_name="+",
        blank=True,
        verbose_name=_("需要的凭证"),
        help_text=_("申请人要为这些维度各上传一张照片，并选择对应的值。"),
    )
    review_hours = models.PositiveSmallIntegerField(
        _("审核时限（小时）"),
        default=24,
        db_default=24,
        help_text=_("超过还没有人决定的申请会标红并提醒。"),
    )
    requalify_days = models.PositiveSmallIntegerField(
        _("复核间隔（天）"),
        null=True,
        blank=True,
        help_text=_("每隔多少天重新核对成员是否仍满足门槛；留空表示不复核。"),
    )
    is_active = models.BooleanField(_("生效"), default=False)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("制定人")
    )
    created_at = models.DateTimeField(_("制定时间"), db_default=Now())

    objects = EntryPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("准入规则")
        verbose_name_plural = _("准入规则")
        constraints = [
            models.UniqueConstraint(
                fields=["community", "version"],
                name="entry_policy_version_is_unique",
                violation_error_message=_("这个版本号已存在。"),
            ),
            models.UniqueConstraint(
                fields=["community"],
                condition=models.Q(is_active=True),
                name="one_active_entry_policy",
                violation_error_message=_("一个社群同时只能有一个生效的准入规则。"),
            ),
            models.CheckConstraint(
                condition=models.Q(mode__in=EntryMode.values),
                name="entry_policy_mode_is_known",
                violation_error_message=_("未知的准入方式。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(mode__in=[EntryMode.RULE, EntryMode.RULE_AND_REVIEW])
                | ~models.Q(criterion={}),
                name="entry_rule_has_a_criterion",
                violation_error_message=_("按规则准入必须写明门槛。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.community} v{self.version}"
