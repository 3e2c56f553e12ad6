from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models import Community, GroupChat, JoinWay
from members.models.member import Member
from members.rules.status import Confidence, JoinScene, JoinSource, LeaveReason, ObservedBy
from scrm.accounts.models import Enterprise, Staff
from scrm.accounts.rules.roles import DataScope

if TYPE_CHECKING:
    from scrm.accounts.models import User


class MembershipQuerySet(models.QuerySet["Membership"]):
    def visible_to(self, user: User) -> MembershipQuerySet:
        return self.filter(community__in=Community.objects.visible_to(user))

    def active(self) -> MembershipQuerySet:
        return self.filter(left_at=None)


class Membership(models.Model):
    """A member's belonging to a community, from joining to leaving. Never deleted."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="memberships", verbose_name=_("成员")
    )
    community = models.ForeignKey(
        Community, on_delete=models.PROTECT, related_name="memberships", verbose_name=_("社群")
    )
    source = models.CharField(_("来源"), max_length=20, choices=JoinSource.choices)
    joined_at = models.DateTimeField(_("加入时间"), db_default=Now())
    is_ungated = models.BooleanField(
        _("未经准入"),
        default=False,
        db_default=False,
        help_text=_("在平台上直接进了有门槛的社群，没有通过申请。"),
    )
    qualified_at = models.DateTimeField(
        _("上次核对门槛"), null=True, blank=True, help_text=_("入群或最近一次复核时满足门槛。")
    )
    left_at = models.DateTimeField(_("离开时间"), null=True, blank=True)
    leave_reason = models.CharField(
        _("离开原因"), max_length=20, choices=LeaveReason.choices, blank=True, default=""
    )

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("社群成员")
        verbose_name_plural = _("社群成员")
        constraints = [
            models.UniqueConstraint(
                fields=["community", "member"],
                condition=models.Q(left_at=None),
                name="one_active_membership",
                violation_error_code="already_member",
                violation_error_message=_("这位成员已在社群中。"),
            ),
            models.CheckConstraint(
                condition=models.Q(left_at=None) | models.Q(left_at__gte=models.F("joined_at")),
                name="membership_ends_after_it_begins",
                violation_error_message=_("离开时间不能早于加入时间。"),
            ),
            models.CheckConstraint(
                condition=models.Q(left_at=None, leave_reason="")
                | models.Q(left_at__isnull=False, leave_reason__in=LeaveReason.values),
                name="membership_end_has_a_reason",
                violation_error_message=_("离开必须有原因，未离开不能有原因。"),
            ),
        ]
        indexes = [
            # freezing an audience in member order
            models.Index(
                fields=["community", "member"],
                condition=models.Q(left_at=None),
                name="active_members_of_community",
            ),
            # whose threshold is to be looked at again
            models.Index(
                fields=["community", "qualified_at", "id"],
                condition=models.Q(left_at=None),
                name="requalification_queue",
            ),
            # who quit a community when: few, and asked for after every broadcast
            models.Index(
                fields=["community", "left_at"],
                include=["member"],
                condition=models.Q(leave_reason=LeaveReason.SELF),
                name="quits_of_community",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class StayQuerySet(models.QuerySet["Stay"]):
    def visible_to(self, user: User) -> StayQuerySet:
        """Of visible communities, and to users with full scope also those in unassigned chats."""
        stays = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return stays
        return stays.filter(membership__community__in=Community.objects.visible_to(user))

    def open(self) -> StayQuerySet:
        return self.filter(left_at=None)


class Stay(models.Model):
    """A member's time in one group chat. Append-only: closed, never removed.

    A stay in a chat that carries no community has no membership. An instant is exact where the
    platform told it; where its event was lost, it is the latest it can have been, and the person
    was last seen there at ``seen_at``. A stay observed by the product itself is a promised place
    until the platform shows the person there.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    membership = models.ForeignKey(
        Membership,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="stays",
        verbose_name=_("社群成员"),
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="stays", verbose_name=_("成员")
    )
    chat = models.ForeignKey(
        GroupChat, on_delete=models.PROTECT, related_name="stays", verbose_name=_("客户群")
    )
    observed_by = models.CharField(_("观察方式"), max_length=20, choices=ObservedBy.choices)
    join_way = models.ForeignKey(
        JoinWay,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="stays",
        verbose_name=_("群活码"),
    )
    join_scene = models.CharField(
        _("入群方式"),
        max_length=20,
        choices=JoinScene.choices,
        blank=True,
        default=JoinScene.UNKNOWN,
        db_default=JoinScene.UNKNOWN,
    )
    join_state = models.CharField(
        _("渠道参数"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text=_("平台活码带来的 state。"),
    )
    inviter = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("邀请人"),
    )
    joined_at = models.DateTimeField(_("入群时间"), db_default=Now())
    join_confidence = models.CharField(
        _("入群时间可信度"),
        max_length=20,
        choices=Confidence.choices,
        default=Confidence.EXACT,
        db_default=Confidence.EXACT,
    )
    seen_at = models.DateTimeField(
        _("最近读到"), null=True, blank=True, help_text=_("最近一次从平台读到此人在群里。")
    )
    left_at = models.DateTimeField(_("退群时间"), null=True, blank=True)
    leave_reason = models.CharField(
        _("退群原因"), max_length=20, choices=LeaveReason.choices, blank=True, default=""
    )
    leave_confidence = models.CharField(
        _("退群时间可信度"),
        max_length=20,
        choices=Confidence.choices,
        blank=True,
        default="",
        db_default="",
        help_text=_("空表示由本系统登记，或还在群里。"),
    )

    objects = StayQuerySet.as_manager()

    class Meta:
        verbose_name = _("在群时段")
        verbose_name_plural = _("在群时段")
        constraints = [
            models.UniqueConstraint(
                fields=["chat", "member"],
                condition=models.Q(left_at=None),
                name="one_open_stay",
                violation_error_message=_("这位成员已在这个群里。"),
            ),
            models.CheckConstraint(
                condition=models.Q(left_at=None) | models.Q(left_at__gte=models.F("joined_at")),
                name="stay_ends_after_it_begins",
                violation_error_message=_("退群时间不能早于入群时间。"),
            ),
        ]
        indexes = [
            # the history of people in a chat
            models.Index(fields=["chat", "member", "joined_at"], name="stays_of_chat"),
            # the figures of join ways, from the index alone
            models.Index(
                fields=["join_way", "joined_at"],
                include=["left_at", "leave_reason"],
                condition=models.Q(join_way__isnull=False),
                name="stays_of_join_way",
            ),
            # who quit a chat when: few, and asked for after every broadcast
            models.Index(
                fields=["chat", "left_at"],
                include=["member"],
                condition=models.Q(leave_reason=LeaveReason.SELF),
                name="quits_of_chat",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
