"""The form of the composer: contents, audience, time and guards on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminTextareaWidget

from campaigns.admin.broadcast_fields import AttachmentsField, HoursField, YuanField
from campaigns.admin.broadcast_time import TIME_FIELDS, TimeFields, offer_times, rule_from
from campaigns.models import Broadcast, ContentVersion, MediaAsset, Segment
from campaigns.rules.contents import USABLE_CONTENT
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.calendar import schedule_of
from campaigns.services.rehearsing import CHOICES
from communities.admin.criterion_field import CriterionFormField, refuse_unknown
from scrm.accounts.admin_scope import EnterpriseForm
from scrm.accounts.models import User
from scrm.shared.criteria import CHAT_METRICS, Criterion

ASSETS_OFFERED = 200
VERSIONS_OFFERED = 200
TIME = "time_"
#: Without these there is nothing to count yet.
COUNTED = frozenset(
    {"body", "communities", "criterion", "chat_criterion", "channel_account", "target"}
)

type Fieldset = tuple[Any, Any]

CONTENT: Fieldset = (
    _("① 内容"),
    {
        "fields": (
            "name",
            ("category", "target"),
            "channel_account",
            "content_version",
            "body",
            "attachments",
        )
    },
)
AUDIENCE: Fieldset = (
    _("② 人群"),
    {
        "fields": (
            "communities",
            "segments",
            "excluded_segments",
            "criterion",
            "chat_criterion",
            "chats",
            "freeze_at",
        )
    },
)
TIMES: Fieldset = (
    _("③ 时间"),
    {"fields": (*TIME_FIELDS, ("misfire_policy", "misfire_grace_minutes"))},
)
GUARDS: Fieldset = (
    _("④ 防护与成本"),
    {
        "fields": (
            "override_reason",
            "remind_after_hours",
            ("error_budget_percent", "cost_amount"),
        )
    },
)


class VersionField(forms.ModelChoiceField[ContentVersion]):
    def label_from_instance(self, version: ContentVersion) -> str:
        return f"{version.content.title} v{version.number}"


class SegmentsField(forms.ModelMultipleChoiceField[Segment]):
    def label_from_instance(self, segment: Segment) -> str:
        return f"{segment.name}（{segment.get_target_display()}）"


class BroadcastForm(TimeFields, EnterpriseForm):
    criterion = CriterionFormField(label=_("人群条件"), empty=_("没有条件：选中的社群里的所有人。"))
    chat_criterion = CriterionFormField(
        label=_("群的条件"), empty=_("没有条件：选中的社群的所有群。"), registry=CHAT_METRICS
    )
    attachments = AttachmentsField(label=_("附件"), required=False)
    cost_amount = YuanField(label=_("成本（元）"), required=False, help_text=_("制作与权益成本。"))
    remind_after_hours = HoursField(
        label=_("催群主确认（小时）"),
        required=False,
        help_text=_("提交后几小时提醒还没确认的群主，例如 4, 24；平台每 24 小时最多 3 次。"),
    )
    content_version = VersionField(
        label=_("从内容库取"),
        queryset=ContentVersion.objects.none(),
        required=False,
        empty_label=_("不用内容库"),
        widget=UnfoldAdminSelect2Widget,
        help_text=_("选了就把正文和附件填进来；只能选已发布的版本。"),
    )

    class Meta:
        widgets = {
            "body": UnfoldAdminTextareaWidget(attrs={"rows": 6, "data-variables": "yes"}),
            "override_reason": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "body" not in self.fields:
            return  # a page that is only read
        kept = self.instance if self.instance.pk else None
        if kept is not None and kept.target == BroadcastTarget.CHATS:
            self.initial.update(chat_criterion=kept.criterion, criterion={})
        self.fields["error_budget_percent"].required = False
        offer_times(self, user=self.user, schedule=schedule_of(kept) if kept else None)
        fields: dict[str, Any] = self.fields
        fields["content_version"].queryset = usable_versions(self.user, kept)
        assets = MediaAsset.objects.visible_to(self.user).order_by("-pk")
        fields["attachments"].offer(assets[:ASSETS_OFFERED])

    def clean_criterion(self) -> dict[str, object]:
        return self.known(self.cleaned_data["criterion"])

    def clean_chat_criterion(self) -> dict[str, object]:
        return self.known(self.cleaned_data["chat_criterion"])

    def known(self, criterion: Criterion) -> dict[str, object]:
        refuse_unknown(criterion, enterprise_id=self.user.enterprise_id)
        return criterion.as_json()

    def clean_error_budget_percent(self) -> int:
        return self.cleaned_data["error_budget_percent"] or 0

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        self.choose_criterion()
        if self.rule is not None and self.rule["local_time"] is None:
            self.add_error("time_local", forms.ValidationError(_("请填发送的时间。"), "required"))
        return cleaned

    def choose_criterion(self) -> None:
        """Of the two builders the one that fits what it goes to; the other is not looked at."""
        own = self.cleaned_data.pop("chat_criterion", None)
        wrong = self.errors.pop("chat_criterion", None)
        if self.cleaned_data.get("target") != BroadcastTarget.CHATS:
            return
        self.errors.pop("criterion", None)
        if wrong is not None:
            self.errors["chat_criterion"] = wrong
        self.cleaned_data["criterion"] = own or {}

    @cached_property
    def changed_data(self) -> list[str]:
        changed: list[str] = super().changed_data
        if {"chat_criterion", "target"}.intersection(changed):
            changed = [*changed, "criterion"]
        return [name for name in dict.fromkeys(changed) if name != "chat_criterion"]

    @property
    def rule(self) -> dict[str, Any] | None:
        """What the schedule is to be; None: it runs once."""
        return rule_from(self.cleaned_data)

    @property
    def can_be_counted(self) -> bool:
        """Whether enough is filled in, and nothing of it wrong, to say who would get what."""
        return not COUNTED.intersection(self.errors)

    def rehearsal(self) -> Mapping[str, Any]:
        """What is typed, as ``rehearsed`` takes it: of fields that are wrong, nothing."""
        typed = {name: value for name, value in self.cleaned_data.items() if is_kept(name)}
        return {
            "actor": self.user,
            "choices": {name: typed.pop(name) for name in CHOICES if name in typed},
            "values": typed,
        }


def is_kept(name: str) -> bool:
    """Whether a field of the form is one of the broadcast, not of its schedule."""
    return not name.startswith(TIME)


def usable_versions(user: User, kept: Broadcast | None) -> Any:
    """What may be sent now, the newest first, and what this broadcast says already."""
    visible = ContentVersion.objects.visible_to(user)
    usable = visible.filter(
        published_at__isnull=False, content__status__in=sorted(USABLE_CONTENT)
    ).order_by("-pk")
    offered = list(usable.values_list("pk", flat=True)[:VERSIONS_OFFERED])
    if kept is not None and kept.content_version_id:
        offered.append(kept.content_version_id)
    return visible.filter(pk__in=offered).select_related("content").order_by("-pk")
