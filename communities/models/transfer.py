from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models.community import Community
from communities.models.group_chat import GroupChat
from communities.models.resignation import ResignationCase
from communities.models.transfer_policy import TransferPolicy
from communities.rules.transfer_status import MENDABLE
from communities.rules.transfers import (
    HOLDING,
    ItemState,
    NoticeRole,
    NoticeState,
    Route,
    Selection,
    Subject,
    TransferStatus,
)
from scrm.accounts.models import Department, Enterprise, Staff, User
from scrm.accounts.rules.roles import DataScope
from scrm.wecom.models import ChannelAccount


def within_scope_of(user: User) -> models.Q:
    """The hand-overs that a user's data scope covers: their own, and those in which somebody of
    their scope gives or receives something."""
    if user.data_scope == DataScope.ALL:
        return models.Q()
    mine = models.Q(created_by=user)
    if user.staff_id is None:
        return mine
    people = Staff.objects.filter(pk=user.staff_id)
    if user.data_scope == DataScope.DEPARTMENT_TREE:
        people |= Staff.objects.filter(department__in=Department.objects.below(user.staff))
    items = TransferItem.objects.filter(models.Q(giver__in=people) | models.Q(receiver__in=people))
    return mine | models.Q(pk__in=items.values("transfer"))


class OwnershipTransferQuerySet(models.QuerySet["OwnershipTransfer"]):
    def visible_to(self, user: User) -> OwnershipTransferQuerySet:
        return self.filter(enterprise_id=user.enterprise_id).filter(within_scope_of(user))

    def to_be_approved_by(self, user: User) -> OwnershipTransferQuerySet:
        """Also of what is at work already, where receivers were changed. Nobody approves what one
        has planned oneself."""
        pending = TransferItem.objects.filter(
            transfer=models.OuterRef("pk"), state=ItemState.PENDING
        )
        open_ones = self.visible_to(user).filter(
            models.Exists(pending),
            status__in=[TransferStatus.AWAITING_APPROVAL, TransferStatus.SUBMITTED],
        )
        return open_ones.exclude(created_by=user).exclude(planned_by=user)

    def in_trouble(self) -> OwnershipTransferQuerySet:
        """At work, with something that failed or cannot be handed over as it is."""
        stuck = TransferItem.objects.filter(
            transfer=models.OuterRef("pk"), state__in=sorted(MENDABLE)
        )
        return self.filter(
            models.Exists(stuck),
            status__in=[
                TransferStatus.SUBMITTED,
                TransferStatus.PARTIALLY_SUCCEEDED,
                TransferStatus.FAILED,
            ],
        )


class OwnershipTransfer(models.Model):
    """A hand-over of chats, customers or communities to colleagues, item by item.

    Its status follows from the states of its items (``communities.rules.transfer_status``), except
    before it is submitted and when it was rejected or cancelled. Without ``created_by`` the system
    has made it, for the case of somebody who left.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    case = models.OneToOneField(
        ResignationCase,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="transfer",
        verbose_name=_("离职交接"),
    )
    return_of = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="returns",
        verbose_name=_("转回自"),
    )
    receivers = models.ManyToManyField(
        Staff,
        blank=True,
        related_name="+",
        verbose_name=_("接手人"),
        help_text=_("选了几位就平均分配；不选则按转让规则。"),
    )
    reason = models.CharField(_("事由"), max_length=300, blank=True, default="", db_default="")
    message = models.CharField(
        _("告知客户"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("在职转让客户时客户看到的话；空则用平台默认的话。"),
    )
    status = models.CharField(
        _("状态"),
        max_length=20,
        choices=TransferStatus.choices,
        default=TransferStatus.DRAFT,
        db_default=TransferStatus.DRAFT,
    )
    needs_approval = models.BooleanField(
        _("需要审批"), default=True, db_default=True, editable=False
    )
    created_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("发起人"),
        help_text=_("空表示由系统发起。"),
    )
    planned_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("方案最后修改人"),
    )
    approved_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("审批人"),
    )
    approved_at = models.DateTimeField(_("审批时间"), null=True, blank=True)
    rejection = models.CharField(
        _("驳回理由"), max_length=300, blank=True, default="", db_default=""
    )
    created_at = models.DateTimeField(_("建立时间"), db_default=Now())
    preflighted_at = models.DateTimeField(_("预检时间"), null=True, blank=True)
    submitted_at = models.DateTimeField(_("提交时间"), null=True, blank=True)
    closed_at = models.DateTimeField(_("完成时间"), null=True, blank=True)

    objects = OwnershipTransferQuerySet.as_manager()

    class Meta:
        verbose_name = _("资产转让")
        verbose_name_plural = _("资产转让")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=TransferStatus.values),
                name="ownership_transfer_status_is_known",
                violation_error_message=_("未知的转让状态。"),
            ),
        ]
        indexes = [
            models.Index(fields=["enterprise", "status", "-id"], name="transfers_of_enterprise"),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class TransferItemQuerySet(models.QuerySet["TransferItem"]):
    def visible_to(self, user: User) -> TransferItemQuerySet:
        items = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return items
        return items.filter(transfer__in=OwnershipTransfer.objects.visible_to(user))

    def holding(self) -> TransferItemQuerySet:
        return self.filter(state__in=HOLDING)


class TransferItem(models.Model):
    """One chat, customer or community of a hand-over, and what became of it.

    ``reason`` is a stable code of ours (``communities.rules.transfer_words``) that says why it is
    blocked, waits, failed or ended; ``platform_code`` and ``platform_message`` are the platform's
    last word. ``sent_at``, ``accepted_at``, ``takeover_at`` and ``verified_at`` are instants of
    the platform's clock; ``due_at`` and the lease are of the database's.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    transfer = models.ForeignKey(
        OwnershipTransfer,
        on_delete=models.PROTECT,
        related_name="items",
        db_index=False,
        verbose_name=_("资产转让"),
    )
    subject = models.CharField(_("对象"), max_length=20, choices=Subject.choices)
    channel_account = models.ForeignKey(
        ChannelAccount,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("渠道账号"),
    )
    chat = models.ForeignKey(
        GroupChat,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="transfer_items",
        verbose_name=_("客户群"),
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="transfer_items",
        db_index=False,
        verbose_name=_("社群"),
    )
    external_userid = models.CharField(
        _("客户平台编号"), max_length=64, blank=True, default="", db_default=""
    )
    giver = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="given_items",
        verbose_name=_("转出人"),
    )
    receiver = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="received_items",
        verbose_name=_("接手人"),
    )
    policy = models.ForeignKey(
        TransferPolicy,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("适用规则"),
        help_text=_("空表示没有规则适用，用默认做法。"),
    )
    selection = models.CharField(
        _("选人方式"),
        max_length=20,
        choices=Selection.choices,
        blank=True,
        default="",
        db_default="",
    )
    state = models.CharField(
        _("状态"),
        max_length=20,
        choices=ItemState.choices,
        default=ItemState.PLANNED,
        db_default=ItemState.PLANNED,
    )
    reason = models.CharField(_("原因代码"), max_length=40, blank=True, default="", db_default="")
    route = models.CharField(
        _("途径"), max_length=20, choices=Route.choices, blank=True, default="", db_default=""
    )
    platform_code = models.IntegerField(_("平台错误码"), null=True, blank=True)
    platform_message = models.CharField(
        _("平台原话"), max_length=200, blank=True, default="", db_default=""
    )
    attempt_count = models.PositiveSmallIntegerField(_("尝试次数"), default=0, db_default=0)
    due_at = models.DateTimeField(_("下次处理"), null=True, blank=True)
    token = models.UUIDField(null=True, blank=True, editable=False)
    sent_at = models.DateTimeField(_("提交时间"), null=True, blank=True)
    accepted_at = models.DateTimeField(_("平台受理时间"), null=True, blank=True)
    takeover_at = models.DateTimeField(
        _("接手时间"),
        null=True,
        blank=True,
        help_text=_("等待客户确认时：到时自动完成；完成后：完成的时间。"),
    )
    verified_at = models.DateTimeField(_("核对时间"), null=True, blank=True)
    is_announced = models.BooleanField(default=False, db_default=False, editable=False)
    note = models.CharField(_("说明"), max_length=300, blank=True, default="", db_default="")
    closed_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("处理人"),
    )

    objects = TransferItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("转让明细")
        verbose_name_plural = _("转让明细")
        constraints = [
            models.UniqueConstraint(
                fields=["chat"],
                condition=models.Q(state__in=sorted(HOLDING), chat__isnull=False),
                name="one_open_transfer_of_a_chat",
                violation_error_message=_("这个客户群正在转让中。"),
            ),
            models.UniqueConstraint(
                fields=["channel_account", "external_userid", "giver"],
                condition=models.Q(state__in=sorted(HOLDING), subject=Subject.CUSTOMER),
                name="one_open_transfer_of_a_customer",
                violation_error_message=_("这位客户正在转让中。"),
            ),
            models.UniqueConstraint(
                fields=["community"],
                condition=models.Q(state__in=sorted(HOLDING), community__isnull=False),
                name="one_open_transfer_of_a_community",
                violation_error_message=_("这个社群正在转让中。"),
            ),
            models.UniqueConstraint(
                fields=["transfer", "chat"],
                condition=models.Q(chat__isnull=False),
                name="chat_stands_once_in_a_transfer",
                violation_error_message=_("这个客户群已在这次转让中。"),
            ),
            models.UniqueConstraint(
                fields=["transfer", "external_userid", "channel_account", "giver"],
                condition=models.Q(subject=Subject.CUSTOMER),
                name="customer_stands_once_in_a_transfer",
                violation_error_message=_("这位客户已在这次转让中。"),
            ),
            models.UniqueConstraint(
                fields=["transfer", "community"],
                condition=models.Q(community__isnull=False),
                name="community_stands_once_in_a_transfer",
                violation_error_message=_("这个社群已在这次转让中。"),
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=ItemState.values),
                name="transfer_item_state_is_known",
                violation_error_message=_("未知的明细状态。"),
            ),
            models.CheckConstraint(
                condition=models.Q(
                    subject=Subject.CHAT,
                    chat__isnull=False,
                    community=None,
                    external_userid="",
                )
                | (
                    models.Q(subject=Subject.CUSTOMER, chat=None, community=None)
                    & ~models.Q(external_userid="")
                )
                | models.Q(
                    subject=Subject.COMMUNITY,
                    community__isnull=False,
                    chat=None,
                    external_userid="",
                ),
                name="transfer_item_is_one_thing",
                violation_error_message=_("一条明细只能是一个群、一位客户或一个社群。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=sorted(HOLDING - {ItemState.PENDING}))
                | models.Q(receiver__isnull=False),
                name="transfer_item_under_way_has_a_receiver",
                violation_error_message=_("还没有接手人。"),
            ),
            models.CheckConstraint(
                condition=models.Q(receiver=None) | ~models.Q(receiver=models.F("giver")),
                name="nobody_receives_from_themselves",
                violation_error_message=_("接手人不能是转出人自己。"),
            ),
        ]
        indexes = [
            # the items of a hand-over by state, and their counts
            models.Index(fields=["transfer", "state", "id"], name="items_of_a_transfer"),
            # what is to be sent, the oldest first
            models.Index(
                fields=["channel_account", "id"],
                condition=models.Q(state="queued"),
                name="items_to_be_sent",
            ),
            # what was being sent, and what is to be looked up or verified
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=["sending", "unknown", "accepted"]),
                name="items_to_be_looked_at",
            ),
            # what both owners have not been told of
            models.Index(
                fields=["transfer"],
                condition=models.Q(state="verified", is_announced=False),
                name="items_to_be_announced",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class TransferQuota(models.Model):
    """How many chats were handed over from one person on one day of the platform (Beijing).

    The row is the lock under which the day's share is taken. ``is_exhausted``: the platform said
    that there are no more today, whoever used them.
    """

    channel_account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("渠道账号")
    )
    giver = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("转出人")
    )
    day = models.DateField(_("日期"), help_text=_("北京时间。"))
    used = models.PositiveIntegerField(_("已用"), default=0, db_default=0)
    is_exhausted = models.BooleanField(_("平台说已用完"), default=False, db_default=False)

    class Meta:
        verbose_name = _("转让额度")
        verbose_name_plural = _("转让额度")
        constraints = [
            models.UniqueConstraint(
                fields=["channel_account", "giver", "day"],
                name="one_transfer_quota_per_day",
                violation_error_message=_("这一天已有记录。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class TransferNotice(models.Model):
    """What one colleague is told, in the app, about items that have changed hands."""

    transfer = models.ForeignKey(
        OwnershipTransfer,
        on_delete=models.PROTECT,
        related_name="notices",
        verbose_name=_("资产转让"),
    )
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("收件人")
    )
    channel_account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("渠道账号")
    )
    role = models.CharField(_("角色"), max_length=20, choices=NoticeRole.choices)
    counts = models.JSONField(_("数量"), default=dict)
    state = models.CharField(
        _("状态"),
        max_length=20,
        choices=NoticeState.choices,
        default=NoticeState.PLANNED,
        db_default=NoticeState.PLANNED,
    )
    words = models.CharField(_("说明"), max_length=300, blank=True, default="", db_default="")
    attempt_count = models.PositiveSmallIntegerField(_("尝试次数"), default=0, db_default=0)
    due_at = models.DateTimeField(_("下次处理"), null=True, blank=True, db_default=Now())
    token = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("建立时间"), db_default=Now())
    sent_at = models.DateTimeField(_("发送时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("转让通知")
        verbose_name_plural = _("转让通知")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=NoticeState.values),
                name="transfer_notice_state_is_known",
                violation_error_message=_("未知的通知状态。"),
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=["planned", "sending"]),
                name="notices_that_are_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
