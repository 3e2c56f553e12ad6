from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from communities.models.community import Community
from communities.rules.capacity import NEARLY_FULL_PERCENT
from communities.rules.status import ChatPlatformStatus, ChatState
from scrm.accounts.models import Enterprise, Staff
from scrm.accounts.rules.roles import DataScope
from scrm.wecom.models import ChannelAccount

if TYPE_CHECKING:
    from scrm.accounts.models import User


class GroupChatQuerySet(models.QuerySet["GroupChat"]):
    def visible_to(self, user: User) -> GroupChatQuerySet:
        """Chats of visible communities, and to users with full scope also the unassigned ones."""
        chats = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return chats
        return chats.filter(community__in=Community.objects.visible_to(user))

    def live(self) -> GroupChatQuerySet:
        return self.exclude(state=ChatState.DISSOLVED)

    def crowded(self) -> GroupChatQuerySet:
        """Carrying a community and nearly full: time to open another one."""
        enough = (models.F("capacity") * NEARLY_FULL_PERCENT + 99) / 100  # rounded up
        return self.live().exclude(community=None).filter(member_count__gte=enough)

    def with_room(self) -> GroupChatQuerySet:
        taken = models.F("member_count") + models.F("staff_count")
        return self.filter(state=ChatState.ACTIVE, capacity__gt=taken)


class GroupChat(models.Model):
    """A customer group on the platform: the carrier of at most one community at a time."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="group_chats", verbose_name=_("企业")
    )
    channel_account = models.ForeignKey(
        ChannelAccount,
        on_delete=models.PROTECT,
        related_name="group_chats",
        verbose_name=_("渠道账号"),
    )
    external_id = models.CharField(_("平台群编号"), max_length=128)
    name = models.CharField(_("群名"), max_length=120)
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="group_chats",
        verbose_name=_("所属社群"),
    )
    owner = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="owned_chats",
        verbose_name=_("群主"),
    )
    join_url = models.URLField(
        _("入群链接"),
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text=_("平台给出的入群链接或二维码地址；获准入群的人在入群页上看到它。"),
    )
    capacity = models.PositiveIntegerField(_("容量"), default=500)
    member_count = models.PositiveIntegerField(_("人数"), default=0, editable=False)
    state = models.CharField(
        _("状态"), max_length=20, choices=ChatState.choices, default=ChatState.ACTIVE
    )
    staff_count = models.PositiveIntegerField(
        _("员工人数"),
        default=0,
        db_default=0,
        editable=False,
        help_text=_("群里的本企业员工，也占容量，不计入成员。"),
    )
    owner_userid = models.CharField(
        _("群主平台账号"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("平台说的群主；没有对应的员工时只有它。"),
    )
    notice = models.TextField(_("群公告"), blank=True, default="", db_default="", editable=False)
    founded_at = models.DateTimeField(_("建群时间"), null=True, blank=True, editable=False)
    platform_status = models.CharField(
        _("平台状态"),
        max_length=20,
        choices=ChatPlatformStatus.choices,
        default=ChatPlatformStatus.NORMAL,
        db_default=ChatPlatformStatus.NORMAL,
        editable=False,
    )
    member_version = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
    )
    read_at = models.DateTimeField(
        _("上次读取"), null=True, blank=True, editable=False, help_text=_("从平台完整读到成员。")
    )
    dissolved_at = models.DateTimeField(_("解散时间"), null=True, blank=True, editable=False)
    is_dissolution_inferred = models.BooleanField(
        _("解散时间为推断"), default=False, db_default=False, editable=False
    )
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = GroupChatQuerySet.as_manager()

    class Meta:
        verbose_name = _("客户群")
        verbose_name_plural = _("客户群")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "channel_account", "external_id"],
                name="group_chat_external_id_is_unique",
                violation_error_message=_("这个平台群编号已登记。"),
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=ChatState.values),
                name="group_chat_state_is_known",
                violation_error_message=_("未知的客户群状态。"),
            ),
            models.CheckConstraint(
                condition=models.Q(platform_status__in=ChatPlatformStatus.values),
                name="group_chat_platform_status_is_known",
                violation_error_message=_("未知的平台状态。"),
            ),
            models.CheckConstraint(
                condition=models.Q(member_count__lte=models.F("capacity")),
                name="group_chat_is_not_overfull",
                violation_error_message=_("客户群人数不能超过容量。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name or gettext("未读取的群 %(id)s") % {"id": self.external_id}
