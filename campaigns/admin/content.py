from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.formats import date_format, number_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from campaigns.admin.broadcast_fields import AttachmentsField
from campaigns.models import Content, ContentVersion, MediaAsset
from campaigns.rules.attachments import texts_of
from campaigns.rules.contents import CONTENT_MOVES, AttachmentKind, ContentStatus
from campaigns.selectors.library import Result, results_of
from campaigns.selectors.texts import Text, judged
from campaigns.services import contents
from scrm.accounts.admin_scope import (
    EnterpriseForm,
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    confirm,
)
from scrm.accounts.rules.roles import Capability

NOTHING = "—"
OFFERED_ASSETS = 500

#: The button that leads to a state; what leads nowhere from here is not shown.
LEADS_TO = {
    "submit": ContentStatus.REVIEW,
    "publish": ContentStatus.PUBLISHED,
    "collect_feedback": ContentStatus.FEEDBACK,
    "optimise": ContentStatus.OPTIMISED,
    "retire": ContentStatus.RETIRED,
}


class ReasonDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = forms.CharField(
        label=_("原因"), max_length=300, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )


class LearntDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    learnt = forms.CharField(
        label=_("学到什么"),
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text=_("哪些好、哪些不好，下一版怎么改。"),
    )


class ContentForm(EnterpriseForm):
    """The facts of a content, and the text of its newest version: changed, it is a new one."""

    body = forms.CharField(
        label=_("正文"),
        required=False,
        max_length=4000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text=_("改了就存成新版本。可用变量：{{昵称}}、{{社群}}、{{群名}}。"),
    )
    attachments = AttachmentsField(label=_("附件"), required=False)

    class Meta:
        model = Content
        fields = ("title", "category", "author_kind", "language", "brief")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:  # a topic comes first
            del self.fields["body"], self.fields["attachments"]
            return
        if "body" not in self.fields:  # a page to be read only
            return
        newest = self.instance.versions.order_by("-number").first()
        if newest is not None:
            self.initial = {
                **self.initial,
                "body": newest.body,
                "attachments": newest.attachments,
            }
        visible = MediaAsset.objects.visible_to(self.user).order_by("-pk")
        field: Any = self.fields["attachments"]
        field.offer(visible[:OFFERED_ASSETS])


class VersionInline(EnterpriseTabularInline[ContentVersion, Content]):
    model = ContentVersion
    view_capability = Capability.VIEW_CAMPAIGNS
    fields = ("number", "body", "carries", "written", "published", "measured")
    readonly_fields = fields
    ordering = ("-number",)
    can_delete = False
    max_num = 0
    tab = False
    verbose_name_plural = _("版本和发出后的结果")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.select_related("written_by", "published_by")

    @display(description=_("附件"))
    def carries(self, version: ContentVersion) -> str:
        kinds = [AttachmentKind(one["kind"]).label for one in version.attachments]
        return "、".join(map(str, kinds)) or NOTHING

    @display(description=_("撰写"))
    def written(self, version: ContentVersion) -> str:
        return f"{version.written_by} {_moment(version.written_at)}"

    @display(description=_("发布"))
    def published(self, version: ContentVersion) -> str:
        if version.published_at is None:
            return NOTHING
        return f"{version.published_by} {_moment(version.published_at)}"

    @display(description=_("结果"))
    def measured(self, version: ContentVersion) -> SafeString | str:
        result = results_of([version.pk]).get(version.pk)
        return NOTHING if result is None else _in_words(result)


@admin.register(Content)
class ContentAdmin(EnterpriseModelAdmin[Content]):
    """The library. A content moves only through the buttons."""

    form = ContentForm
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.COMPOSE_CAMPAIGNS
    change_capability = Capability.COMPOSE_CAMPAIGNS
    action_capabilities: ClassVar[dict[str, Capability]] = {"publish": Capability.APPROVE_CAMPAIGNS}
    create_verb = contents.create_content
    update_verb = contents.revise_content
    list_display = ("title", "state", "category", "author_kind", "author", "created")
    list_filter = ("status", "category", "author_kind")
    list_select_related = ("author",)
    search_fields = ("title", "brief")
    ordering = ("-pk",)
    inlines = (VersionInline,)
    readonly_fields = ("status", "status_reason", "learnt", "findings")
    actions_detail = (
        "submit",
        "publish",
        "return_to_drafting",
        "collect_feedback",
        "optimise",
        "retire",
    )

    def get_fields(self, request: HttpRequest, obj: Content | None = None) -> Any:
        facts = ("title", ("category", "author_kind", "language"), "brief")
        if obj is None:
            return facts
        return (*facts, ("status", "status_reason"), "body", "attachments", "findings", "learnt")

    def get_inlines(self, request: HttpRequest, obj: Content | None = None) -> Any:
        return self.inlines if obj else ()

    def idle_buttons(self, row: Content) -> set[str]:
        next_ones = CONTENT_MOVES[row.status]
        idle = {name for name, status in LEADS_TO.items() if status not in next_ones}
        return idle | ({"return_to_drafting"} if row.status != ContentStatus.REVIEW else set())

    @display(
        description=_("状态"),
        ordering="status",
        label={
            ContentStatus.DRAFTING: "info",
            ContentStatus.REVIEW: "warning",
            ContentStatus.PUBLISHED: "success",
            ContentStatus.FEEDBACK: "success",
            ContentStatus.OPTIMISED: "success",
            ContentStatus.RETIRED: "danger",
        },
    )
    def state(self, content: Content) -> tuple[str, str]:
        return content.status, content.get_status_display()

    @display(description=_("建立时间"), ordering="created_at")
    def created(self, content: Content) -> str:
        return _moment(content.created_at)

    @display(description=_("广告法用语"))
    def findings(self, content: Content) -> SafeString | str:
        """What the lexicon says of the newest version, for its author and its reviewer."""
        newest = content.versions.order_by("-number").first()
        if newest is None:
            return NOTHING
        words = "\n".join([newest.body, *texts_of(newest.attachments)])
        found = judged([Text("body", "", words)], enterprise_id=content.enterprise_id)
        if not found:
            return gettext("没有发现违禁词。")
        return format_html_join(
            "",
            "<p><strong>{}</strong>（{}）{}</p>",
            (
                (
                    one.finding.quote,
                    one.finding.term.severity.label,
                    f"{one.finding.term.article} {one.finding.term.suggestion}",
                )
                for one in found
            ),
        )

    @action(
        description=_("提交审核"),
        icon="send",
        permissions=["change"],
        dialog=confirm(_("提交最新版本审核？"), _("由另一位同事发布。")),
    )
    def submit(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = contents.submit_content
        return self.run_on_row(request, object_id, verb, done=gettext("已提交审核。"))

    @action(
        description=_("发布"),
        icon="publish",
        variant=ActionVariant.PRIMARY,
        permissions=["publish"],
        dialog=confirm(_("发布最新版本？"), _("发布后可以用于群发。撰写人不能发布自己写的版本。")),
    )
    def publish(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = contents.publish_content
        return self.run_on_row(request, object_id, verb, done=gettext("已发布。"))

    @action(
        description=_("退回"),
        icon="undo",
        permissions=["publish"],
        dialog={**confirm(_("退回修改？")), "form_class": ReasonDialog},
    )
    def return_to_drafting(self, request: HttpRequest, form: Any, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            contents.return_content,
            done=gettext("已退回。"),
            reason=form.cleaned_data["reason"],
        )

    @action(
        description=_("收集反馈"),
        icon="monitoring",
        permissions=["change"],
        dialog=confirm(_("开始收集反馈？"), _("第一份群发报告定稿时也会自动开始。")),
    )
    def collect_feedback(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = contents.collect_feedback
        return self.run_on_row(request, object_id, verb, done=gettext("开始收集反馈。"))

    @action(
        description=_("写下学到什么"),
        icon="lightbulb",
        permissions=["change"],
        dialog={**confirm(_("写下学到什么")), "form_class": LearntDialog},
    )
    def optimise(self, request: HttpRequest, form: Any, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            contents.optimise_content,
            done=gettext("已记下，可以写下一版。"),
            learnt=form.cleaned_data["learnt"],
        )

    @action(
        description=_("停用"),
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["change"],
        dialog={
            **confirm(_("停用这份内容？"), _("不可恢复；发过的记录都在。")),
            "form_class": ReasonDialog,
        },
    )
    def retire(self, request: HttpRequest, form: Any, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            contents.retire_content,
            done=gettext("已停用。"),
            reason=form.cleaned_data["reason"],
        )


def _moment(at: Any) -> str:
    return date_format(localtime(at), "Y-m-d H:i")


def _in_words(result: Result) -> SafeString:
    """The measured result, a line for each thing that matters; never the revenue alone."""
    rate = result.interaction_rate
    net = result.net_amount
    lines = [
        gettext("发过 %(count)d 次，触达 %(people)d 人")
        % {"count": result.run_count, "people": result.people_reached},
        gettext("互动率 %(rate)s，下单 %(ordered)d 人")
        % {
            "rate": NOTHING if rate is None else f"{rate:.1%}",
            "ordered": result.ordered,
        },
        gettext("退出 %(leaves)d 人，照平时是 %(usual)s 人")
        % {"leaves": result.leaves, "usual": number_format(result.usual_leaves, 1)},
        gettext("净收益 %(net)s")
        % {
            "net": gettext("未知（没有对照组）")
            if net is None
            else gettext("%(yuan)s 元") % {"yuan": number_format(net / 100, 2)}
        },
    ]
    return format_html_join("", "<p>{}</p>", ((line,) for line in lines))
