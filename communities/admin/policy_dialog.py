"""The dialog in which the threshold of a community is set."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
)

from communities.admin.criterion_field import CriterionFormField, refuse_unknown
from communities.models import ClassificationAxis, EntryPolicy
from communities.rules.kinds import BY_RULE, EntryMode
from communities.services.gatekeeping import DEFAULT_REVIEW, LONGEST_INTERVAL, LONGEST_REVIEW
from scrm.accounts.admin_scope import admin_user
from scrm.shared.criteria import Criterion


class PolicyDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    mode = forms.ChoiceField(
        label=_("方式"), choices=EntryMode.choices, widget=UnfoldAdminSelectWidget
    )
    criterion = CriterionFormField(label=_("准入门槛"), empty=_("没有门槛：任何人都符合。"))
    evidence_axes = forms.ModelMultipleChoiceField(
        label=_("需要的凭证"),
        queryset=ClassificationAxis.objects.none(),
        required=False,
        widget=UnfoldAdminSelect2MultipleWidget,
        help_text=_("申请人要为这些维度各上传一张照片，由人审核；留空表示不需要。"),
    )
    review_hours = forms.IntegerField(
        label=_("审核时限（小时）"),
        min_value=1,
        max_value=LONGEST_REVIEW,
        initial=DEFAULT_REVIEW,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    requalify_days = forms.IntegerField(
        label=_("复核间隔（天）"),
        min_value=1,
        max_value=LONGEST_INTERVAL,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("每隔多少天重新核对成员是否仍满足门槛；留空表示不复核。"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user = admin_user(self.request)
        axes = ClassificationAxis.objects.visible_to(user).order_by("name", "pk")
        self.fields["evidence_axes"].queryset = axes
        visible = EntryPolicy.objects.visible_to(user).active()
        known = str(self.object_id).isdecimal()  # whatever else was typed is nobody's community
        policy = visible.filter(community=self.object_id).first() if known else None
        if policy is not None:
            self.initial = {
                "mode": policy.mode,
                "criterion": policy.criterion,
                "evidence_axes": policy.evidence_axes.all(),
                "review_hours": policy.review_hours,
                "requalify_days": policy.requalify_days,
            }

    def clean_criterion(self) -> Criterion:
        criterion: Criterion = self.cleaned_data["criterion"]
        refuse_unknown(criterion, enterprise_id=admin_user(self.request).enterprise_id)
        return criterion

    def clean(self) -> dict[str, Any]:
        """Said while the dialog is open; the verb refuses it too."""
        cleaned: dict[str, Any] = super().clean()
        criterion = cleaned.get("criterion")
        if cleaned.get("mode") in BY_RULE and criterion is not None and criterion.is_empty:
            self.add_error("criterion", _("按规则准入必须写明门槛；不设门槛请选“开放”。"))
        return cleaned

    def terms(self) -> dict[str, Any]:
        """The arguments of the verb; an empty review time stays as it was."""
        values: dict[str, Any] = dict(self.cleaned_data)
        if values["review_hours"] is None:
            del values["review_hours"]
        return values
