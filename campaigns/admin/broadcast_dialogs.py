"""What is asked before something is done with a broadcast."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from campaigns.models import Broadcast
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.audience import audience_of, distinct_count
from campaigns.selectors.calendar import schedule_of
from campaigns.selectors.contents import digest_of
from scrm.accounts.admin_gates import admin_user
from scrm.shared.clock import database_now
from scrm.shared.errors import DomainError

#: From so many chats on, their number has to be typed before anything reaches them.
MANY_CHATS = 500
MAX_REASON = 300
REASON = _("原因")


def reason_field(*, label: Any = REASON, is_required: bool = True) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=MAX_REASON,
        required=is_required,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


class BroadcastDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    """Knows which broadcast it is about; one that the operator cannot see is none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        visible = Broadcast.objects.visible_to(admin_user(self.request))
        asked = str(self.object_id)
        self.broadcast = visible.filter(pk=asked).first() if asked.isdecimal() else None


class OptionalReasonDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = reason_field(is_required=False)


class ReasonDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = reason_field()


class ApproveDialog(BroadcastDialog):
    """``digest``: the contents as they stood when the approver was shown them."""

    digest = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    accepts_override = forms.BooleanField(
        label=_("认可作者坚持使用拦截项的理由"), required=False, widget=UnfoldBooleanWidget
    )
    note = reason_field(label=_("说明"), is_required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.broadcast is None:
            return
        self.fields["digest"].initial = digest_of(self.broadcast)
        if not self.broadcast.override_reason:
            self.fields.pop("accepts_override")


class TypedCountDialog(BroadcastDialog):
    """Asks for the number of chats where there are many: nobody confirms that by habit."""

    typed_count = forms.IntegerField(
        label=_("群的数量"), required=False, widget=UnfoldAdminIntegerFieldWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.chat_count = chats_of(self.broadcast)
        if self.chat_count <= MANY_CHATS:
            self.fields.pop("typed_count")
            return
        words = gettext("会发到 %(count)d 个群。请输入这个数字以确认。")
        self.fields["typed_count"].help_text = words % {"count": self.chat_count}
        self.fields["typed_count"].required = True

    def clean_typed_count(self) -> int | None:
        typed: int | None = self.cleaned_data["typed_count"]
        if typed != self.chat_count:
            words = gettext("现在是 %(count)d 个群，数字不对。")
            raise forms.ValidationError(words % {"count": self.chat_count}, code="wrong_count")
        return typed


class ReleaseDialog(TypedCountDialog):
    reason = reason_field(label=_("为什么可以继续"))


class ScheduleDialog(TypedCountDialog):
    scheduled_at = forms.DateTimeField(
        label=_("发送时间"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text=_("留空表示立即发送。"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.broadcast is not None and schedule_of(self.broadcast) is not None:
            words = gettext("按排期从下一次开始。")
            self.fields["scheduled_at"].widget = forms.HiddenInput()
            self.fields["scheduled_at"].help_text = words


def chats_of(broadcast: Broadcast | None) -> int:
    """How many chats it would go to now; 0 of one to members."""
    if broadcast is None or broadcast.target != BroadcastTarget.CHATS:
        return 0
    try:
        audience = audience_of(broadcast, as_of=database_now())
        return distinct_count(audience.ids_in(*audience.community_ids))
    except DomainError:
        return 0
