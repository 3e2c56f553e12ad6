from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models import Community, EntryPolicy, JoinWay
from members.models.member import Member
from members.models.membership import Membership
from members.rules.status import OPEN_APPLICATION, UNDECIDED, ApplicationStatus, JoinSource
from scrm.accounts.models import Enterprise, User


class EntryApplicationQuerySet(models.QuerySet["EntryApplication"]):
    def visible_to(self, user: User) -> EntryApplicationQuerySet:
        return self.filter(community__in=Community.objects.visible_to(user))

    def in_review(self) -> EntryApplicationQuerySet:
        return self.filter(status=ApplicationStatus.IN_REVIEW)

    def waiting_for_room(self) -> EntryApplicationQuerySet:
        """Admitted for good, and not in a chat yet."""
        return self.filter(status=ApplicationStatus.APPROVED, settles_at=None)

    def open(self) -> EntryApplicationQuerySet:
        return self.filter(status__in=OPEN_APPLICATION)

    def undecided(self) -> EntryApplicationQuerySet:
        return self.filter(status__in=UNDECIDED)

    def overdue(self) -> EntryApplicationQuerySet:
        """Waiting for a person longer than the policy allows."""
        return self.in_review().filter(review_due_at__lte=Now())

    def unclaimed_by_others(self, user: User) -> EntryApplicationQuerySet:
        free = models.Q(claimed_until=None) | models.Q(claimed_until__lte=Now())
        return self.filter(free | models.Q(claimed_by=user))


class EntryApplication(models.Model):
    """A member's wish to enter a community, and the decision with everything it rested on."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    community = models.ForeignKey(
        Community, on_delete=models.PROTECT, related_name="applications", verbose_name=_("社群")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="applications", verbose_name=_("成员")
    )
    policy = models.ForeignKey(
        EntryPolicy, on_delete=models.PROTECT, related_name="+", verbose_name=_("准入规则")
    )
    source = models.CharField(_("来源"), max_length=20, choices=JoinSource.choices)
    join_way = models.ForeignKey(
        JoinWay,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="applications",
        verbose_name=_("群活码"),
    )
    status = models.CharField(_("状态"), max_length=20, choices=ApplicationStatus.choices)
    review_due_at = models.DateTimeField(_("审核截止"), null=True, blank=True)
    claimed_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("正在审核"),
    )
    claimed_until = models.DateTimeField(_("领取到"), null=True, blank=True)
    clauses = models.JSONField(
        _("逐条结果"),
        default=list,
        help_text=_("每个条件：要求、实际、是否满足、还差多少。"),
    )
    reason = models.CharField(_("理由"), max_length=300, blank=True, default="")
    decided_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("决定人"),
        help_text=_("空表示由规则自动决定。"),
    )
    decided_at = models.DateTimeField(_("决定时间"), null=True, blank=True)
    settles_at = models.DateTimeField(
        _("生效时间"), null=True, blank=True, help_text=_("人工决定在此之前可以撤销。")
    )
    expires_at = models.DateTimeField(
        _("过期时间"),
        null=True,
        blank=True,
        help_text=_("到这时还没补凭证，或获准后还没有空位，申请就过期。"),
    )
    submitted_at = models.DateTimeField(_("提交时间"), db_default=Now())
    membership = models.OneToOneField(
        Membership,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="application",
        verbose_name=_("社群成员"),
    )

    objects = EntryApplicationQuerySet.as_manager()

    class Meta:
        verbose_name = _("入群申请")
        verbose_name_plural = _("入群申请")
        constraints = [
            models.UniqueConstraint(
                fields=["community", "member"],
                condition=models.Q(status__in=sorted(OPEN_APPLICATION)),
                name="one_open_application",
                violation_error_code="already_applied",
                violation_error_message=_("这位成员已有一个未结束的申请。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=ApplicationStatus.values),
                name="application_status_is_known",
                violation_error_message=_("未知的申请状态。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(status=ApplicationStatus.JOINED)
                | models.Q(membership__isnull=False),
                name="joined_application_has_a_membership",
                violation_error_message=_("已入群的申请必须对应一条社群成员记录。"),
            ),
        ]
        indexes = [
            # the review queue and the seating sweep, oldest first
            models.Index(fields=["status", "submitted_at", "id"], name="application_queue"),
            # the next one to review, and those that are overdue
            models.Index(
                fields=["review_due_at", "submitted_at", "id"],
                condition=models.Q(status=ApplicationStatus.IN_REVIEW),
                name="review_queue",
            ),
            # decisions that take effect, and applications that run out
            models.Index(
                fields=["settles_at"],
                condition=models.Q(settles_at__isnull=False),
                name="unsettled_applications",
            ),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(expires_at__isnull=False),
                name="expiring_applications",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
