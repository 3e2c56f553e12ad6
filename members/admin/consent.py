"""What members agreed to: a ledger to be read, and a button that adds to it."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from members.models import Consent, Member
from members.rules.standing import ConsentDecision, ConsentPurpose
from members.services.consenting import record_consent
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

DECISION_COLOURS = {
    ConsentDecision.GRANTED: "success",
    ConsentDecision.DENIED: "default",
    ConsentDecision.WITHDRAWN: "warning",
}


def decision_words(consent: Consent) -> tuple[str, str]:
    return consent.decision, str(consent.get_decision_display())


class Consents(EnterpriseTabularInline[Consent, Member]):
    model = Consent
    view_capability = Capability.VIEW_MEMBERS
    verbose_name_plural = _("授权")
    fields = ("purpose", "decision_label", "text_version", "source", "decided_at")
    readonly_fields = fields
    ordering = ("-pk",)
    show_title = False
    tab = True

    @display(description=_("决定"), label=DECISION_COLOURS)
    def decision_label(self, consent: Consent) -> tuple[str, str]:
        return decision_words(consent)


class ConsentDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    purpose = forms.ChoiceField(
        label=_("用途"), choices=ConsentPurpose.choices, widget=UnfoldAdminSelectWidget
    )
    decision = forms.ChoiceField(
        label=_("决定"), choices=ConsentDecision.choices, widget=UnfoldAdminSelectWidget
    )
    text_version = forms.CharField(
        label=_("告知文本版本"), max_length=40, widget=UnfoldAdminTextInputWidget
    )
    source = forms.CharField(
        label=_("来源"),
        max_length=40,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("在哪里表态的，例如：电话、门店表单。"),
    )


class ConsentButton(EnterpriseModelAdmin[Member]):
    """Recording what the member on this page said."""

    @action(
        description=_("记录授权"),
        icon="verified_user",
        permissions=["change"],
        dialog={
            **confirm(_("记录授权"), _("只增不改：每个用途以最近一次为准。")),
            "form_class": ConsentDialog,
        },
    )
    def consent(self, request: HttpRequest, form: ConsentDialog, object_id: str) -> HttpResponse:
        member = self.row(request, object_id)
        try:
            record_consent(
                member,
                purpose=form.cleaned_data["purpose"],
                decision=form.cleaned_data["decision"],
                text_version=form.cleaned_data["text_version"],
                source=form.cleaned_data["source"],
                actor=admin_user(request),
            )
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
        else:
            self.message_user(request, gettext("已记录。"), messages.SUCCESS)
        return self.back_to(request, member)


@admin.register(Consent)
class ConsentAdmin(HistoryModelAdmin[Consent]):
    view_capability = Capability.VIEW_MEMBERS
    list_display = ("who", "purpose", "decision_label", "text_version", "source", "decided_at")
    list_filter = (
        ("purpose", MultipleChoicesDropdownFilter),
        ("decision", MultipleChoicesDropdownFilter),
        ("decided_at", RangeDateFilter),
    )
    list_select_related = ("member",)
    paginator = CappedPaginator
    search_fields = ("member__nickname", "member__external_id", "text_version", "source")
    fields = ("member", ("purpose", "decision"), ("text_version", "source"), "decided_at")
    readonly_fields = (
        "member",
        "purpose",
        "decision",
        "text_version",
        "source",
        "decided_at",
    )
    ordering = ("-pk",)

    @display(description=_("成员"), ordering="member__nickname", header=True)
    def who(self, consent: Consent) -> list[str]:
        return [consent.member.nickname, consent.member.external_id, consent.member.nickname[:1]]

    @display(description=_("决定"), ordering="decision", label=DECISION_COLOURS)
    def decision_label(self, consent: Consent) -> tuple[str, str]:
        return decision_words(consent)
