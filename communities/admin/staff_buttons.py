"""What the page of a colleague offers here: handing over what they have, and their leaving."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from communities.admin.transfer_shortcuts import WIZARD, sent_to
from communities.models import ResignationCase
from communities.services.resignation.resigning import open_case
from scrm.accounts.admin.organisation import StaffAdmin
from scrm.accounts.admin_scope import admin_user, confirm
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.errors import DomainError

admin.site.unregister(Staff)


@admin.register(Staff)
class OwnerAdmin(StaffAdmin):
    """The page of a colleague, who may own chats."""

    action_capabilities: ClassVar[dict[str, Capability]] = {
        **StaffAdmin.action_capabilities,
        "plan": Capability.TRANSFER_OWNERSHIP,
    }
    actions_detail = ("hand_over", "resign", *StaffAdmin.actions_detail)

    @action(
        description=_("离职交接"),
        icon="waving_hand",
        permissions=["plan"],
        dialog=confirm(
            _("办理离职交接？"),
            _("登录和密钥立即停用；名下的群、客户和社群逐项交接，没有结果不结案。"),
            submit=_("开始交接"),
        ),
    )
    def resign(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        staff = self.row(request, object_id)
        case = ResignationCase.objects.open().filter(staff=staff).first()
        if case is None:
            try:
                case = open_case(staff.pk, actor=admin_user(request))
            except DomainError as refusal:
                self.message_user(request, refusal.message, messages.ERROR)
                return self.back_to(request, staff)
            self.message_user(request, gettext("离职交接已建立。"), messages.SUCCESS)
        address = reverse("admin:communities_resignationcase_change", args=[case.pk])
        return sent_to(request, address)

    @action(
        description=_("转让名下资产"),
        icon="swap_horiz",
        permissions=["plan"],
        dialog=confirm(
            _("转让名下的群和客户？"),
            _("人不离职，只把名下的交给别人。先选内容和接手人，看过预检再提交。"),
            submit=_("下一步"),
        ),
    )
    def hand_over(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        staff = self.row(request, object_id)
        return sent_to(request, f"{reverse(WIZARD)}?person={staff.pk}")
