"""Who holds which tier, since when and why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminTextInputWidget

from communities.models import Tier
from members.admin.words import NOTHING, clause_table
from members.models import Member, TierAssignment
from members.rules.standing import TierCause
from members.services.tier_locks import lock_tier, unlock_tier
from members.services.tiering_members import retier_member
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.admin_scope import (
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    HistoryModelAdmin,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability
from scrm.shared.errors import DomainError

CAUSE_COLOURS = {
    TierCause.PROMOTED: "success",
    TierCause.DEMOTED: "danger",
    TierCause.LOCKED: "warning",
    TierCause.UNLOCKED: "default",
    TierCause.ENTERED: "info",
}


def below_line(assignment: TierAssignment) -> str:
    """Until when the member keeps a tier that is not earned any more."""
    if assignment.below_since is None or assignment.ended_at is not None:
        return ""
    zone = assignment.scheme.enterprise.zone
    since = assignment.below_since.astimezone(zone).date()
    words = {"since": since, "until": since + timedelta(days=assignment.tier.grace_days)}
    return gettext("%(since)s 起低于保级线，宽限到 %(until)s") % words


class CurrentFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("现在")
    parameter_name = "now"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("current", _("现在的层级")),
            ("below", _("低于保级线")),
            ("former", _("以前的层级")),
        ]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        match self.value():
            case "current":
                return queryset.filter(ended_at=None)
            case "below":
                return queryset.filter(ended_at=None, below_since__isnull=False)
            case "former":
                return queryset.filter(ended_at__isnull=False)
        return queryset


class TierPeriods(EnterpriseTabularInline[TierAssignment, Member]):
    model = TierAssignment
    view_capability = Capability.VIEW_MEMBERS
    verbose_name_plural = _("层级")
    fields = ("scheme", "tier", "cause", "reasons", "started_at", "ended_at", "line")
    readonly_fields = fields
    ordering = ("-pk",)
    show_change_link = True
    show_title = False
    tab = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[TierAssignment]:
        rows: models.QuerySet[TierAssignment] = super().get_queryset(request)
        return rows.select_related("scheme__enterprise", "tier")

    @display(description=_("依据"))
    def reasons(self, assignment: TierAssignment) -> SafeString | str:
        return clause_table(assignment.clauses) if assignment.clauses else assignment.reason

    @display(description=_("保级"))
    def line(self, assignment: TierAssignment) -> str:
        return below_line(assignment) or NOTHING


class LockDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    tier = forms.ModelChoiceField(
        label=_("层级"), queryset=Tier.objects.none(), widget=UnfoldAdminSelect2Widget
    )
    reason = forms.CharField(label=_("理由"), max_length=300, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tiers = Tier.objects.visible_to(admin_user(self.request)).select_related("scheme")
        field = self.fields["tier"]
        field.queryset = tiers.order_by("scheme", "-rank")
        field.label_from_instance = lambda tier: f"{tier.scheme.name}：{tier.name}"


LOCKING = {
    **confirm(_("锁定层级"), _("立即定在这一级，核算不再改变它，直到解除锁定。")),
    "form_class": LockDialog,
}


class TierButtons(EnterpriseModelAdmin[Member]):
    """What can be done about the tiers of the member on this page."""

    @action(description=_("锁定层级"), icon="lock", permissions=["change"], dialog=LOCKING)
    def lock_tier(self, request: HttpRequest, form: LockDialog, object_id: str) -> HttpResponse:
        member = self.row(request, object_id)
        try:
            locked = lock_tier(
                member,
                tier=form.cleaned_data["tier"],
                reason=form.cleaned_data["reason"],
                actor=admin_user(request),
            )
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
        else:
            done = gettext("已锁定在“%(tier)s”。") % {"tier": locked.tier.name}
            self.message_user(request, done, messages.SUCCESS)
        return self.back_to(request, member)

    @action(
        description=_("核算层级"),
        icon="calculate",
        permissions=["change"],
        dialog=confirm(_("立即核算这位成员的层级"), _("不等到夜里；没有变化时什么也不改。")),
    )
    def retier(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        member = self.row(request, object_id)
        changed = retier_member(member.pk)
        now = "、".join(
            f"{row.scheme.name}：{row.tier.name}" for row in changed if not row.ended_at
        )
        told = gettext("层级已更新为 %(tiers)s。") % {"tiers": now} if now else ""
        self.message_user(
            request,
            told or (gettext("已不在任何层级。") if changed else gettext("层级没有变化。")),
            messages.SUCCESS,
        )
        return self.back_to(request, member)


@admin.register(TierAssignment)
class TierAssignmentAdmin(HistoryModelAdmin[TierAssignment]):
    view_capability = Capability.VIEW_MEMBERS
    action_capabilities = {"lock": Capability.MANAGE_MEMBERS}
    paginator = CappedPaginator
    list_display = (
        "who",
        "scheme",
        "tier",
        "cause_label",
        "started_at",
        "ended_at",
        "line",
        "is_locked",
    )
    list_filter = (
        CurrentFilter,
        "scheme",
        "tier",
        ("cause", MultipleChoicesDropdownFilter),
        "is_locked",
        ("started_at", RangeDateFilter),
    )
    list_select_related = ("member", "scheme__enterprise", "tier")
    list_fullwidth = True
    search_fields = ("=member__external_id", "member__nickname")
    search_help_text = _("客户编号或昵称")
    fields = (
        ("member", "scheme", "tier"),
        ("cause", "started_at"),
        "reasons",
        ("end_cause", "ended_at"),
        "end_reasons",
        "line",
        ("is_locked", "locked_by", "reason"),
    )
    readonly_fields = (
        "member",
        "scheme",
        "tier",
        "cause",
        "started_at",
        "reasons",
        "end_cause",
        "ended_at",
        "end_reasons",
        "line",
        "is_locked",
        "locked_by",
        "reason",
    )
    ordering = ("-pk",)
    actions_detail = ("unlock",)

    def idle_buttons(self, row: TierAssignment) -> set[str]:
        return set() if row.is_locked and row.ended_at is None else {"unlock"}

    @display(description=_("成员"), header=True)
    def who(self, assignment: TierAssignment) -> list[str]:
        member = assignment.member
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("原因"), label=CAUSE_COLOURS)
    def cause_label(self, assignment: TierAssignment) -> tuple[str, str]:
        return assignment.cause, assignment.get_cause_display()

    @display(description=_("依据"))
    def reasons(self, assignment: TierAssignment) -> SafeString | str:
        return clause_table(assignment.clauses)

    @display(description=_("失去的依据"))
    def end_reasons(self, assignment: TierAssignment) -> SafeString | str:
        return clause_table(assignment.end_clauses)

    @display(description=_("保级"))
    def line(self, assignment: TierAssignment) -> str:
        return below_line(assignment) or NOTHING

    @action(
        description=_("解除锁定"),
        icon="lock_open",
        variant=ActionVariant.WARNING,
        permissions=["lock"],
        dialog=confirm(_("解除锁定"), _("立即按门槛核算：够格就升，不够格的有宽限期。")),
    )
    def unlock(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, unlock_tier, done=gettext("已解除锁定。"))
