from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from campaigns.models import LexiconTerm
from campaigns.rules.guarding import Severity
from campaigns.services.lexicon_terms import create_term, edit_term
from scrm.accounts.admin_scope import EnterpriseForm, EnterpriseModelAdmin
from scrm.accounts.rules.roles import Capability


class LinesField(forms.CharField):
    """A list, written one to a line."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def run_validators(self, value: Any) -> None:
        """The verb judges the lines."""

    def validate(self, value: Any) -> None:
        """No line is no exception."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class LexiconTermForm(EnterpriseForm):
    exceptions = LinesField(
        label=_("例外"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text=_("每行一个说法；词在这些说法里时不算，例如“第一次”。"),
    )

    class Meta:
        model = LexiconTerm
        fields = (
            "term",
            "kind",
            "severity",
            "article",
            "suggestion",
            "exceptions",
            "is_active",
        )


@admin.register(LexiconTerm)
class LexiconTermAdmin(EnterpriseModelAdmin[LexiconTerm]):
    """An enterprise's own words, and its own judgement of those that we ship."""

    form = LexiconTermForm
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.MANAGE_SEND_POLICIES
    change_capability = Capability.MANAGE_SEND_POLICIES
    create_verb = create_term
    update_verb = edit_term
    list_display = ("term", "kind", "grade", "suggestion", "is_active", "changed_by")
    list_filter = ("severity", "kind", "is_active")
    list_select_related = ("changed_by",)
    search_fields = ("term", "suggestion")
    ordering = ("-pk",)
    fields = (
        ("term", "kind", "severity"),
        ("article", "suggestion"),
        "exceptions",
        "is_active",
    )

    @display(
        description=_("程度"),
        ordering="severity",
        label={Severity.HINT: "warning", Severity.BLOCK: "danger"},
    )
    def grade(self, term: LexiconTerm) -> tuple[str, str]:
        return term.severity, term.get_severity_display()
