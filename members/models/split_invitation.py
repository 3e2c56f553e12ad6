from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from communities.models import Community, SplitBranch
from members.models.member import Member
from members.rules.standing import InvitationStatus
from scrm.accounts.models import User


class SplitInvitationQuerySet(models.QuerySet["SplitInvitation"]):
    def visible_to(self, user: User) -> SplitInvitationQuerySet:
        return self.filter(branch__plan__community__in=Community.objects.visible_to(user))


class SplitInvitation(models.Model):
    """One member of a community that is being split, and the branch they are asked to move to."""

    branch = models.ForeignKey(
        SplitBranch, on_delete=models.PROTECT, related_name="invitations", verbose_name=_("分支")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="split_invitations", verbose_name=_("成员")
    )
    status = models.CharField(
        _("状态"),
        max_length=20,
        choices=InvitationStatus.choices,
        default=InvitationStatus.PLANNED,
    )
    invited_at = models.DateTimeField(_("邀请时间"), null=True, blank=True)
    settled_at = models.DateTimeField(_("加入或谢绝时间"), null=True, blank=True)

    objects = SplitInvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("拆群邀请")
        verbose_name_plural = _("拆群邀请")
        constraints = [
            models.UniqueConstraint(
                fields=["branch", "member"],
                name="one_split_invitation",
                violation_error_message=_("这位成员已被邀请到这个分支。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=InvitationStatus.values),
                name="split_invitation_status_is_known",
                violation_error_message=_("未知的邀请状态。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
