from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.decorators import action, display

from members.models import BlocklistEntry
from members.services.blocking import block_member, unblock_member
from scrm.accounts.admin_scope import EnterpriseModelAdmin, confirm
from scrm.accounts.rules.roles import Capability

COLOURS = {"in_force": "danger", "over": "default"}


class ForceFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("状态")
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("有效")), ("no", _("已结束"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[BlocklistEntry]
    ) -> models.QuerySet[BlocklistEntry]:
        if self.value() is None:
            return queryset
        in_force = BlocklistEntry.objects.in_force(timezone.now()).values("pk")
        if self.value() == "yes":
            return queryset.filter(pk__in=in_force)
        return queryset.exclude(pk__in=in_force)


@admin.register(BlocklistEntry)
class BlocklistEntryAdmin(EnterpriseModelAdmin[BlocklistEntry]):
    """Put somebody on the list by adding a row; take them off by the button."""

    view_capability = Capability.VIEW_MEMBERS
    add_capability = Capability.MANAGE_MEMBERS
    action_capabilities = {"manage": Capability.MANAGE_MEMBERS}
    create_verb = block_member
    list_display = ("who", "where", "state", "reason", "blocked_by", "blocked_at", "expires_at")
    list_filter = (ForceFilter, "community")
    list_select_related = ("member", "community", "blocked_by")
    search_fields = ("member__nickname", "member__external_id")
    autocomplete_fields = ("member", "community")
    fields = ("member", "community", "reason", "expires_at")
    ordering = ("-pk",)
    actions_detail = ("unblock",)

    def get_fields(self, request: HttpRequest, obj: BlocklistEntry | None = None) -> Any:
        history = (("blocked_by", "blocked_at"), ("state", "lifted_at"))
        return self.fields if obj is None else (*self.fields, *history)

    def get_readonly_fields(self, request: HttpRequest, obj: BlocklistEntry | None = None) -> Any:
        if obj is None:
            return ()
        return (*self.fields, "blocked_by", "blocked_at", "state", "lifted_at")

    def idle_buttons(self, row: BlocklistEntry) -> set[str]:
        return {"unblock"} if row.lifted_at is not None else set()

    @display(description=_("成员"), ordering="member__nickname", header=True)
    def who(self, entry: BlocklistEntry) -> list[str]:
        member = entry.member
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("范围"), ordering="community__name")
    def where(self, entry: BlocklistEntry) -> str:
        return entry.community.name if entry.community else gettext("所有社群")

    @display(description=_("状态"), label=COLOURS)
    def state(self, entry: BlocklistEntry) -> tuple[str, str]:
        ends = entry.expires_at
        if entry.lifted_at is None and (ends is None or ends > timezone.now()):
            return "in_force", gettext("有效")
        return "over", gettext("已结束")

    @action(
        description=_("解除"),
        icon="lock_open",
        permissions=["manage"],
        dialog=confirm(_("移出黑名单？"), _("之后可以重新申请入群；被拒绝的申请不会恢复。")),
    )
    def unblock(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, unblock_member, done=gettext("已解除。"))
