from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models import Community
from members.models.member import Member
from members.models.standing import OfMembers
from scrm.accounts.models import Enterprise, User


class BlocklistEntryQuerySet(OfMembers["BlocklistEntry"]):
    def in_force(self, now: datetime) -> BlocklistEntryQuerySet:
        return self.filter(lifted_at=None).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class BlocklistEntry(models.Model):
    """Somebody who is not let in: anywhere, or into one community. Beats every approval."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="blocks", verbose_name=_("成员")
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("社群"),
        help_text=_("留空表示所有社群。"),
    )
    reason = models.CharField(_("理由"), max_length=300)
    blocked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("操作人")
    )
    blocked_at = models.DateTimeField(_("起"), db_default=Now())
    expires_at = models.DateTimeField(_("到期"), null=True, blank=True)
    lifted_at = models.DateTimeField(_("解除时间"), null=True, blank=True)

    objects = BlocklistEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("黑名单")
        verbose_name_plural = _("黑名单")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "community"],
                condition=models.Q(lifted_at=None),
                nulls_distinct=False,
                name="one_block_per_member_and_community",
                violation_error_message=_("这位成员已在黑名单里。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
