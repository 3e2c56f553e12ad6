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
from campaigns.services.segmenting import create_segment, draw_segment, edit_segment
from communities.admin.criterion_field import CriterionFormField
from communities.admin.criterion_form import CriterionForm
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability
from scrm.shared.criterion_words import describe_stored

NOT_DRAWN = "—"


class SegmentForm(CriterionForm):
    criterion = CriterionFormField(label=_("条件"), empty=_("没有条件：企业的全部成员。"))

    class Meta:
        model = Segment
        fields = ("name", "code", "criterion")


@admin.register(Segment)
class SegmentAdmin(EnterpriseModelAdmin[Segment]):
    form = SegmentForm
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.COMPOSE_CAMPAIGNS
    change_capability = Capability.COMPOSE_CAMPAIGNS
    create_verb = create_segment
    update_verb = edit_segment
    list_display = ("name", "code", "condition", "size", "as_of")
    search_fields = ("name", "code")
    fields = (("name", "code"), "criterion", ("size", "as_of", "in_criteria"))
    readonly_fields = ("size", "as_of", "in_criteria")
    ordering = ("-pk",)
    actions_detail = ("draw",)

    def get_fields(self, request: HttpRequest, obj: Segment | None = None) -> Any:
        return self.fields if obj else (("name", "code"), "criterion")

    def get_readonly_fields(self, request: HttpRequest, obj: Segment | None = None) -> Any:
        return ("code", *self.readonly_fields) if obj else ()

    @display(description=_("条件"))
    def condition(self, segment: Segment) -> str:
        return describe_stored(segment.criterion) if segment.criterion else gettext("全部成员")

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
            done = gettext("名单已更新：%(count)d 人。") % {"count": segment.member_count or 0}
        self.message_user(request, done, messages.SUCCESS)
        return self.back_to(request, segment)
