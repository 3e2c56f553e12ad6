from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models.classification import ClassificationValue
from communities.models.tier import Tier
from communities.rules.kinds import CommunityKind
from communities.rules.transfers import KINDS_OR_ANY, POLICY_SELECTIONS, Subject
from scrm.accounts.models import Enterprise, Staff, User

CHOICES = [(each.value, each.label) for each in POLICY_SELECTIONS]


class TransferPolicyQuerySet(models.QuerySet["TransferPolicy"]):
    def visible_to(self, user: User) -> TransferPolicyQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def in_force(self) -> TransferPolicyQuerySet:
        return self.filter(is_active=True)


class TransferPolicy(models.Model):
    """Who may take over what, and how the receiver is found.

    A policy for chats may be narrowed to communities of a kind, of a minimum tier and of a
    classification; where several apply the most specific one wins: the one with more conditions,
    then classification before tier before kind, then the older one. A policy without conditions
    is for everything of its subject.
    """

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="transfer_policies",
        verbose_name=_("企业"),
    )
    name = models.CharField(_("名称"), max_length=120)
    subject = models.CharField(
        _("适用对象"), max_length=20, choices=Subject.choices, default=Subject.CHAT
    )
    kind = models.CharField(
        _("社群类型"),
        max_length=20,
        choices=CommunityKind.choices,
        blank=True,
        default="",
        db_default="",
        help_text=_("空表示不限。"),
    )
    tier = models.ForeignKey(
        Tier,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("社群最低层级"),
        help_text=_("只用于准入要求这一层级的社群；空表示不限。"),
    )
    value = models.ForeignKey(
        ClassificationValue,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("社群分类"),
        help_text=_("包含它的下级；空表示不限。"),
    )
    selection = models.CharField(_("接手人"), max_length=20, choices=CHOICES)
    fallback = models.CharField(
        _("找不到时"),
        max_length=20,
        choices=CHOICES,
        blank=True,
        default="",
        db_default="",
        help_text=_("空表示由人指定。"),
    )
    maximum = models.PositiveIntegerField(
        _("每人上限"),
        null=True,
        blank=True,
        help_text=_("接手后每人名下最多几个；空表示不限，0 表示一个也不接。"),
    )
    needs_approval = models.BooleanField(_("需要审批"), default=True, db_default=True)
    is_active = models.BooleanField(_("启用"), default=True, db_default=True)
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = TransferPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("转让规则")
        verbose_name_plural = _("转让规则")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "subject", "kind", "tier", "value"],
                condition=models.Q(is_active=True),
                nulls_distinct=False,
                name="one_active_policy_for_the_same_things",
                violation_error_message=_("同样的适用范围已有一条启用的规则。"),
            ),
            models.CheckConstraint(
                condition=models.Q(subject__in=Subject.values),
                name="transfer_policy_subject_is_known",
                violation_error_message=_("未知的适用对象。"),
            ),
            models.CheckConstraint(
                condition=models.Q(selection__in=POLICY_SELECTIONS)
                & models.Q(fallback__in=["", *POLICY_SELECTIONS]),
                name="transfer_policy_selection_is_known",
                violation_error_message=_("未知的选人方式。"),
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=KINDS_OR_ANY),
                name="transfer_policy_kind_is_known",
                violation_error_message=_("未知的社群类型。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(subject=Subject.CUSTOMER)
                | models.Q(kind="", tier=None, value=None),
                name="customers_have_one_policy",
                violation_error_message=_("客户的规则不按社群区分。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PolicyReceiver(models.Model):
    """Somebody named by a policy: of ``fixed`` in their order, or of a classification."""

    policy = models.ForeignKey(
        TransferPolicy,
        on_delete=models.CASCADE,
        related_name="receivers",
        verbose_name=_("转让规则"),
    )
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("接手人")
    )
    value = models.ForeignKey(
        ClassificationValue,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("分类"),
        help_text=_("“按分类指定”时：有这个分类（含下级）的社群给这位同事。"),
    )

    class Meta:
        verbose_name = _("接手人选")
        verbose_name_plural = _("接手人选")
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "staff", "value"],
                nulls_distinct=False,
                name="one_policy_receiver",
                violation_error_message=_("这位同事已在名单中。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
