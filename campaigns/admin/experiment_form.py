"""The form of an experiment: its question, and its arms in rows of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from campaigns.models import Experiment
from campaigns.rules.designs import FIELDS, MOST_ARMS, ArmDraft
from campaigns.rules.status import BroadcastStatus
from campaigns.services.experimenting import design_of
from scrm.accounts.admin_scope import EnterpriseForm

FIRST_ARMS = (1, 2)
MORE_ARMS = tuple(range(3, MOST_ARMS + 1))
PARTS = ("name", "weight", "local_time", "body")


def names_of(number: int) -> tuple[str, ...]:
    return tuple(f"arm_{number}_{part}" for part in PARTS)


def rows_of(numbers: tuple[int, ...]) -> Iterator[Any]:
    """The layout: a line of short fields, then the text."""
    for number in numbers:
        *short, body = names_of(number)
        yield tuple(short)
        yield body


def fields_of(number: int) -> dict[str, forms.Field]:
    label = {"number": number}
    name, weight, local_time, body = names_of(number)
    return {
        name: forms.CharField(
            label=_("第 %(number)d 组") % label,
            max_length=60,
            required=number in FIRST_ARMS,
            widget=UnfoldAdminTextInputWidget,
        ),
        weight: forms.IntegerField(
            label=_("份额"),
            min_value=1,
            max_value=1000,
            initial=1,
            required=False,
            widget=UnfoldAdminIntegerFieldWidget,
        ),
        local_time: forms.TimeField(
            label=_("发送时间"),
            required=False,
            widget=UnfoldAdminTextInputWidget(attrs={"type": "time"}),
            help_text=_("比较发送时间时填。"),
        ),
        body: forms.CharField(
            label=_("文案"),
            max_length=4000,
            required=False,
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            help_text=_("比较文案时填；留空就是群发的原文。"),
        ),
    }


ARM_FIELDS = {
    name: field for number in (*FIRST_ARMS, *MORE_ARMS) for name, field in fields_of(number).items()
}


class ArmsForm(EnterpriseForm):
    class Meta:
        model = Experiment
        fields = ("broadcast", *FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "broadcast" in self.fields:
            drafts: Any = self.fields["broadcast"]
            drafts.queryset = drafts.queryset.filter(status=BroadcastStatus.DRAFT, experiment=None)
        if self.instance.pk is not None:
            for number, arm in enumerate(design_of(self.instance).arms, start=1):
                for name, part in zip(names_of(number), PARTS, strict=True):
                    if name in self.fields:
                        self.fields[name].initial = getattr(arm, part)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        cleaned["arms"] = [
            ArmDraft(
                name=cleaned[name],
                weight=cleaned.get(weight) or 1,
                local_time=cleaned.get(local_time),
                body=cleaned.get(body, ""),
            )
            for name, weight, local_time, body in map(names_of, (*FIRST_ARMS, *MORE_ARMS))
            if cleaned.get(name)
        ]
        return cleaned

    @property
    def changed_arguments(self) -> list[str]:
        """What changed, as the verb calls it."""
        changed = [name for name in self.changed_data if name not in ARM_FIELDS]
        return changed if len(changed) == len(self.changed_data) else [*changed, "arms"]


ExperimentForm: type[ArmsForm] = type("ExperimentForm", (ArmsForm,), dict(ARM_FIELDS))
