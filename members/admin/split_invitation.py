from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display

from members.models import SplitInvitation
from members.rules.standing import OPEN_INVITATION, InvitationStatus
from members.services.inviting_to_split import decline_invitation
from scrm.accounts.admin_scope import HistoryModelAdmin, confirm
from scrm.accounts.rules.roles import Capability

STATUS_COLOURS = {
    InvitationStatus.INVITED: "info",
    InvitationStatus.JOINED: "success",
    InvitationStatus.DECLINED: "warning",
}


@admin.register(SplitInvitation)
class SplitInvitationAdmin(HistoryModelAdmin[SplitInvitation]):
    view_capability = Capability.VIEW_MEMBERS
    action_capabilities = {"decide": Capability.MANAGE_MEMBERS}
    list_display = ("who", "where", "status_label", "invited_at", "settled_at")
    list_filter = (("status", MultipleChoicesDropdownFilter), "branch__plan", "branch")
    list_select_related = ("member", "branch")
    search_fields = ("member__nickname", "member__external_id", "branch__name")
    fields = (("member", "branch"), "status", ("invited_at", "settled_at"))
    readonly_fields = ("member", "branch", "status", "invited_at", "settled_at")
    ordering = ("-pk",)
    actions_row = ("decline",)
    actions_detail = ("decline",)

    def idle_buttons(self, row: SplitInvitation) -> set[str]:
        return set() if row.status in OPEN_INVITATION else {"decline"}

    @display(description=_("成员"), ordering="member__nickname", header=True)
    def who(self, invitation: SplitInvitation) -> list[str]:
        member = invitation.member
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("分支"), ordering="branch__name")
    def where(self, invitation: SplitInvitation) -> str:
        return invitation.branch.name

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, invitation: SplitInvitation) -> tuple[str, str]:
        return invitation.status, invitation.get_status_display()

    @action(
        description=_("不去"),
        icon="person_cancel",
        permissions=["decide"],
        dialog=confirm(_("这位成员不去新社群？"), _("留在母社群；以后改变主意仍可加入。")),
    )
    def decline(self, request: HttpRequest, form: object, object_id: str) -> Any:
        done = gettext("已登记。")
        return self.run_on_row(request, object_id, decline_invitation, done=done)
