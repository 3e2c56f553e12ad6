from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import display

from communities.admin.transfer_buttons import BUTTONS, TransferButtons
from communities.admin.transfer_panels import fragment_of, panels_of
from communities.admin.transfer_progress import (
    NOTHING,
    STATUS_COLOURS,
    CountedTransfers,
    bar,
    settled,
    subjects_in_words,
    troubled,
)
from communities.admin.transfer_wizard import WizardPages
from communities.models import OwnershipTransfer
from communities.rules.transfers import TransferStatus
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user
from scrm.accounts.rules.roles import Capability


class OriginFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("由来")
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("case", _("离职交接")), ("person", _("人工发起")), ("return", _("转回"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "case":
                return queryset.exclude(case=None)
            case "person":
                return queryset.filter(case=None, return_of=None)
            case "return":
                return queryset.exclude(return_of=None)
        return queryset


class ForMeFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    """Nobody approves what one planned oneself."""

    title = _("审批")
    parameter_name = "mine"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("approve", _("等我审批"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() is None:
            return queryset
        return queryset & OwnershipTransfer.objects.to_be_approved_by(admin_user(request))


class TroubleFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("要处理")
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("有失败或不能转的"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() is None:
            return queryset
        return queryset & OwnershipTransfer.objects.in_trouble()


@admin.register(OwnershipTransfer)
class OwnershipTransferAdmin(WizardPages, TransferButtons, EnterpriseModelAdmin[OwnershipTransfer]):
    """A new one is made by the wizard; everything else moves through the buttons."""

    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.TRANSFER_OWNERSHIP
    action_capabilities: ClassVar[dict[str, Capability]] = {
        "plan": Capability.TRANSFER_OWNERSHIP,
        "approve": Capability.APPROVE_TRANSFERS,
    }
    list_display = (
        "title",
        "status_label",
        "subjects",
        "progress",
        "trouble",
        "created_by",
        "created_at",
    )
    list_filter = (
        ("status", MultipleChoicesDropdownFilter),
        ForMeFilter,
        TroubleFilter,
        OriginFilter,
        "created_by",
    )
    list_select_related = ("case__staff", "created_by")
    list_fullwidth = True
    search_fields = ("reason", "case__staff__name")
    ordering = ("-pk",)
    actions_detail = BUTTONS
    fields = (
        ("status", "origin"),
        ("reason", "message"),
        ("chosen", "approval"),
        ("submitted_at", "closed_at"),
    )
    readonly_fields = (
        "status",
        "origin",
        "reason",
        "message",
        "chosen",
        "approval",
        "submitted_at",
        "closed_at",
    )

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["shared/facts.css", "communities/transfers.css"]
        }

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        receivers = path(
            "add/receivers/",
            self.admin_site.admin_view(self.receivers_view),
            name="communities_ownershiptransfer_receivers",
        )
        return [receivers, *super().get_urls()]

    # --- the list ---

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return CountedTransfers

    @display(description=_("资产转让"), ordering="pk", header=True)
    def title(self, transfer: OwnershipTransfer) -> list[str]:
        return [transfer.reason or self.origin(transfer), f"#{transfer.pk}", "转"]

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, transfer: OwnershipTransfer) -> tuple[str, str]:
        return transfer.status, transfer.get_status_display()

    @display(description=_("内容"))
    def subjects(self, transfer: Any) -> str:
        return subjects_in_words(transfer.item_counts)

    @display(description=_("进度"))
    def progress(self, transfer: Any) -> Any:
        if transfer.status in {TransferStatus.DRAFT, TransferStatus.AWAITING_APPROVAL}:
            return NOTHING
        return bar(settled(transfer.item_counts), transfer.item_counts.total())

    @display(description=_("要处理"))
    def trouble(self, transfer: Any) -> str:
        count = troubled(transfer.item_counts)
        return gettext("%(count)d 项") % {"count": count} if count else NOTHING

    # --- the page ---

    @display(description=_("由来"))
    def origin(self, transfer: OwnershipTransfer) -> str:
        if transfer.case is not None:
            return gettext("%(name)s 离职交接") % {"name": transfer.case.staff.name}
        if transfer.return_of_id is not None:
            return gettext("转回 #%(number)d") % {"number": transfer.return_of_id}
        return gettext("人工发起")

    @display(description=_("指定的接手人"))
    def chosen(self, transfer: OwnershipTransfer) -> str:
        names = "、".join(staff.name for staff in transfer.receivers.order_by("name", "pk"))
        return names or gettext("按转让规则")

    @display(description=_("审批"))
    def approval(self, transfer: OwnershipTransfer) -> str:
        if transfer.rejection:
            return gettext("未通过：%(why)s") % {"why": transfer.rejection}
        if transfer.approved_by is not None:
            return gettext("%(name)s 已批准") % {"name": transfer.approved_by.username}
        return gettext("需要") if transfer.needs_approval else gettext("不需要")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if object_id is None:
            return self.pick_view(request)
        transfer = self.get_object(request, object_id)
        if transfer is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        if self.has_view_permission(request) and (part := fragment_of(request, transfer)):
            return part
        context = {
            **(extra_context or {}),
            "panels": panels_of(request, transfer),
            "may_plan": self.has_plan_permission(request),  # type: ignore[attr-defined]
        }
        return super().changeform_view(request, object_id, form_url, context)
