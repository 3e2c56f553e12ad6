"""What is asked before something is done with a hand-over or its items."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminTextareaWidget

from communities.rules.transfer_words import reason_words
from communities.services.transfers.eligibility import refusals_of
from scrm.accounts.admin_scope import admin_user
from scrm.accounts.models import Staff, User

MAX_REASON = 300


def colleagues(user: User) -> Any:
    return Staff.objects.visible_to(user).active().order_by("name", "pk")


def reason_field(*, is_required: bool = True, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=_("理由"),
        max_length=MAX_REASON,
        required=is_required,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=help_text,
    )


class ReceiverField(forms.ModelChoiceField[Staff]):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            queryset=Staff.objects.none(),
            label=_("接手人"),
            widget=UnfoldAdminSelect2Widget,
            **kwargs,
        )

    def offer(self, user: User) -> None:
        self.queryset = colleagues(user)


def refuse_unable(receiver: Staff) -> None:
    """Said while the dialog is open; the verb refuses it too."""
    why = refusals_of(receiver.enterprise_id, [receiver.pk]).get(receiver.pk)
    if why:
        raise forms.ValidationError(reason_words(why), code=why)


class ReasonDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = reason_field()


class OptionalReasonDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = reason_field(is_required=False)


class ReceiverDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    receiver = ReceiverField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["receiver"].offer(admin_user(self.request))

    def clean_receiver(self) -> Staff:
        receiver: Staff = self.cleaned_data["receiver"]
        refuse_unable(receiver)
        return receiver
