from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.rules.status import RecipientKind
from communities.models import GroupChat
from members.models import Member
from scrm.accounts.models import User
from scrm.accounts.rules.roles import DataScope
from scrm.wecom.models import ChannelAccount


class SandboxMessageQuerySet(models.QuerySet["SandboxMessage"]):
    def visible_to(self, user: User) -> SandboxMessageQuerySet:
        """What went to recipients that the user may see."""
        messages = self.filter(channel_account__enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return messages
        members = Member.objects.visible_to(user).values("external_id")
        chats = GroupChat.objects.visible_to(user).values("external_id")
        return messages.filter(
            models.Q(recipient_kind=RecipientKind.MEMBER, recipient_ref__in=members)
            | models.Q(recipient_kind=RecipientKind.CHAT, recipient_ref__in=chats)
        )


class SandboxMessage(models.Model):
    """What the sandbox channel received: its own ledger, shown as the outbox page.

    The same key and recipient are taken once, as a platform that honours keys would.
    """

    channel_account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("渠道账号")
    )
    key = models.CharField(_("幂等键"), max_length=80)
    recipient_kind = models.CharField(_("收件类型"), max_length=20, choices=RecipientKind.choices)
    recipient_ref = models.CharField(_("收件人"), max_length=128)
    body = models.TextField(_("内容"))
    received_at = models.DateTimeField(_("收到时间"), db_default=Now())

    objects = SandboxMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("沙盒发件箱")
        verbose_name_plural = _("沙盒发件箱")
        constraints = [
            models.UniqueConstraint(
                fields=["channel_account", "key", "recipient_ref"],
                name="sandbox_takes_a_key_once",
                violation_error_message=_("这条消息已收到。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} -> {self.recipient_ref} ({self.pk})"
