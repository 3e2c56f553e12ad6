from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelect2Widget

from communities.admin.community import CHAT_COLOURS
from communities.admin.ownership import OwnershipHistory
from communities.admin.transfer_shortcuts import ChatShortcuts
from communities.models import Community, GroupChat
from communities.rules.status import ChatPlatformStatus
from communities.services.chats import assign_chat, edit_group_chat, register_group_chat
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability

NEVER = "—"
PLATFORM_COLOURS = {
    ChatPlatformStatus.NORMAL: "default",
    ChatPlatformStatus.OWNER_RESIGNED: "danger",
    ChatPlatformStatus.INHERITING: "warning",
    ChatPlatformStatus.INHERITED: "info",
}
PLATFORM_FACTS = (
    "platform_status",
    "staff_count",
    "owner_userid",
    "founded_at",
    "read_at",
    "dissolution",
    "notice",
)


class AssignmentFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("归属")
    parameter_name = "assigned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("未归属")), ("yes", _("已归属"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[GroupChat]
    ) -> models.QuerySet[GroupChat]:
        if self.value() is None:
            return queryset
        return queryset.filter(community__isnull=self.value() == "no")


class CrowdFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("人数")
    parameter_name = "crowded"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("快满了"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[GroupChat]
    ) -> models.QuerySet[GroupChat]:
        if self.value() is None:
            return queryset
        return queryset & GroupChat.objects.crowded()


class AssignDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    community = forms.ModelChoiceField(
        label=_("社群"),
        queryset=Community.objects.none(),
        required=False,
        empty_label=_("不承载任何社群"),
        widget=UnfoldAdminSelect2Widget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        communities = Community.objects.visible_to(admin_user(self.request))
        self.fields["community"].queryset = communities.order_by("name", "pk")


@admin.register(GroupChat)
class GroupChatAdmin(ChatShortcuts, EnterpriseModelAdmin[GroupChat]):
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    action_capabilities = {"transfer": Capability.TRANSFER_OWNERSHIP}
    create_verb = register_group_chat
    update_verb = edit_group_chat
    list_display = (
        "title",
        "carries",
        "state_label",
        "platform_label",
        "people",
        "owner",
        "read_at",
        "channel_account",
    )
    list_filter = (
        AssignmentFilter,
        CrowdFilter,
        ("state", MultipleChoicesDropdownFilter),
        ("platform_status", MultipleChoicesDropdownFilter),
        "community",
        "owner",
        "channel_account",
    )
    list_select_related = ("community", "owner", "channel_account")
    search_fields = ("name", "external_id", "community__name")
    autocomplete_fields = ("community", "owner", "channel_account")
    fields = (
        ("name", "external_id"),
        ("channel_account", "community"),
        ("owner", "capacity"),
        "join_url",
        ("people", "state"),
        ("platform_status", "staff_count", "owner_userid"),
        ("founded_at", "read_at", "dissolution"),
        "notice",
    )
    ordering = ("-pk",)
    inlines = (OwnershipHistory,)
    actions = ("hand_over_selected",)
    actions_detail = ("assign", "hand_over")

    def get_inlines(self, request: HttpRequest, obj: GroupChat | None) -> Any:
        return self.inlines if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: GroupChat | None = None) -> Any:
        settled: tuple[str, ...] = (
            () if obj is None else ("external_id", "channel_account", "community")
        )
        if obj is not None and obj.read_at is not None:
            settled += ("owner",)  # as the platform shows it; a hand-over changes it there
        return ("people", "state", *PLATFORM_FACTS, *settled)

    @display(description=_("客户群"), ordering="name", header=True)
    def title(self, chat: GroupChat) -> list[str]:
        return [chat.name, chat.external_id, chat.name[:1]]

    @display(description=_("所属社群"), ordering="community__name", label={"unassigned": "warning"})
    def carries(self, chat: GroupChat) -> tuple[str, str]:
        if chat.community is None:
            return "unassigned", gettext("未归属")
        return "assigned", chat.community.name

    @display(description=_("状态"), ordering="state", label=CHAT_COLOURS)
    def state_label(self, chat: GroupChat) -> tuple[str, str]:
        return chat.state, chat.get_state_display()

    @display(description=_("人数 / 容量"), ordering="member_count")
    def people(self, chat: GroupChat) -> str:
        staff = f"+{chat.staff_count}" if chat.staff_count else ""
        return f"{chat.member_count}{staff} / {chat.capacity}"

    @display(description=_("平台状态"), ordering="platform_status", label=PLATFORM_COLOURS)
    def platform_label(self, chat: GroupChat) -> tuple[str, str]:
        return chat.platform_status, chat.get_platform_status_display()

    @display(description=_("解散时间"))
    def dissolution(self, chat: GroupChat) -> str:
        if chat.dissolved_at is None:
            return NEVER
        at = date_format(localtime(chat.dissolved_at), "DATETIME_FORMAT")
        return gettext("%(at)s（推断）") % {"at": at} if chat.is_dissolution_inferred else at

    @action(
        description=_("分配到社群"),
        icon="link",
        permissions=["change"],
        dialog={
            **confirm(_("分配到社群"), _("群里还有别的社群的成员时不能改。")),
            "form_class": AssignDialog,
        },
    )
    def assign(self, request: HttpRequest, form: AssignDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            assign_chat,
            done=gettext("归属已修改。"),
            community=form.cleaned_data["community"],
        )
