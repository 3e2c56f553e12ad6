from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from campaigns.models import Segment
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.audience import registry_of
from campaigns.services.segmenting import create_segment, draw_segment, edit_segment
from communities.admin.criterion_field import CriterionFormField, refuse_unknown
from communities.admin.criterion_form import CriterionForm
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability
from scrm.shared.criteria import CHAT_METRICS, Criterion
from scrm.shared.criterion_words import describe_stored

NOT_DRAWN = "—"


class SegmentForm(CriterionForm):
    """One over chats is built with other metrics, in a field of its own."""

    criterion = CriterionFormField(label=_("成员的条件"), empty=_("没有条件：企业的全部成员。"))
    chat_criterion = CriterionFormField(
        label=_("群的条件"), empty=_("没有条件：企业的全部客户群。"), registry=CHAT_METRICS
    )

    class Meta:
        model = Segment
        fields = ("name", "code", "target", "criterion")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = self.instance
        if kept.pk and kept.is_of_chats:
            self.initial.update({"chat_criterion": kept.criterion, "criterion": {}})

    def clean_chat_criterion(self) -> Criterion:
        criterion: Criterion = self.cleaned_data["chat_criterion"]
        refuse_unknown(criterion, enterprise_id=self.user.enterprise_id)
        return criterion

    def clean(self) -> dict[str, Any] | None:
        """The field of what it does not choose says nothing, not even what is wrong with it."""
        super().clean()
        of_chats = self.cleaned_data.get("target", self.instance.target) == BroadcastTarget.CHATS
        theirs = self.cleaned_data.pop("chat_criterion", None)
        wrong = self.errors.pop("chat_criterion", None)
        if of_chats:
            self.errors.pop("criterion", None)
            self.cleaned_data["criterion"] = theirs
            if wrong is not None:
                self.errors["chat_criterion"] = wrong
        return self.cleaned_data

    @property
    def changed_data(self) -> list[str]:
        changed = super().changed_data
        own = ["criterion" if name == "chat_criterion" else name for name in changed]
        return list(dict.fromkeys(own))


@admin.register(Segment)
class SegmentAdmin(EnterpriseModelAdmin[Segment]):
    form = SegmentForm
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.COMPOSE_CAMPAIGNS
    change_capability = Capability.COMPOSE_CAMPAIGNS
    create_verb = create_segment
    update_verb = edit_segment
    list_display = ("name", "code", "target", "condition", "size", "as_of")
    list_filter = ("target",)
    search_fields = ("name", "code")
    fields = (("name", "code", "target"), "criterion", ("size", "as_of", "in_criteria"))
    readonly_fields = ("size", "as_of", "in_criteria")
    ordering = ("-pk",)
    actions_detail = ("draw",)

    def get_fields(self, request: HttpRequest, obj: Segment | None = None) -> Any:
        if obj is None:
            return (("name", "code", "target"), "criterion", "chat_criterion")
        criterion = "chat_criterion" if obj.is_of_chats else "criterion"
        words = ("size", "as_of") if obj.is_of_chats else ("size", "as_of", "in_criteria")
        return (("name", "code", "target"), criterion, words)

    def get_readonly_fields(self, request: HttpRequest, obj: Segment | None = None) -> Any:
        return ("code", "target", *self.readonly_fields) if obj else ()

    @display(description=_("条件"))
    def condition(self, segment: Segment) -> str:
        if not segment.criterion:
            return gettext("全部客户群") if segment.is_of_chats else gettext("全部成员")
        return describe_stored(segment.criterion, registry=registry_of(segment.target))

    @display(description=_("名单人数"), ordering="member_count")
    def size(self, segment: Segment) -> str:
        return NOT_DRAWN if segment.member_count is None else str(segment.member_count)

    @display(description=_("名单时间"), ordering="drawn_at")
    def as_of(self, segment: Segment) -> str:
        if segment.draw_asked_at is not None:
            return gettext("正在更新")
        if segment.drawn_at is None:
            return gettext("还没有名单")
        return date_format(localtime(segment.drawn_at), "Y-m-d H:i")

    @display(description=_("写在条件里"))
    def in_criteria(self, segment: Segment) -> SafeString:
        words = gettext("人群包 是")
        return format_html("{} <code>{}</code>", words, segment.code)

    @action(
        description=_("更新名单"),
        icon="refresh",
        permissions=["change"],
        dialog=confirm(
            _("按此刻的数据更新名单？"), _("成员很多时在后台进行。条件里的人群包总是现算的。")
        ),
    )
    def draw(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        segment = draw_segment(self.row(request, object_id).pk, actor=admin_user(request))
        if segment.draw_asked_at is not None:
            done = gettext("成员很多，名单正在后台更新，稍后刷新这一页。")
        else:
            words = gettext("名单已更新：%(count)d 人。")
            if segment.is_of_chats:
                words = gettext("名单已更新：%(count)d 个群。")
            done = words % {"count": segment.member_count or 0}
        self.message_user(request, done, messages.SUCCESS)
        return self.back_to(request, segment)
