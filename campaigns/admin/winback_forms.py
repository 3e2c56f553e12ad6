"""Acting on the selected alerts: first it is asked what is to be done, then it is done for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from campaigns.channels.registry import sending_kinds
from campaigns.models import ChurnAlert
from campaigns.rules.winback import MOST_AT_ONCE
from campaigns.services.winback import Planned, plan_benefits, plan_message, plan_tasks
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user
from scrm.accounts.models import User
from scrm.shared.errors import DomainError
from scrm.wecom.models import ChannelAccount

PLACE = "admin/campaigns/churnalert/winback.html"
ASKED = "asked"  # stands in the form that was filled in, so that the list's own post is not one
MOST_YUAN = 100_000


def line(label: Any, *, most: int, is_needed: bool = True, **options: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=most,
        required=is_needed,
        widget=UnfoldAdminTextInputWidget(),
        **options,
    )


def cost() -> forms.DecimalField:
    return forms.DecimalField(
        label=_("每人的成本（元）"),
        min_value=0,
        max_value=MOST_YUAN,
        decimal_places=2,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(),
    )


class PlanForm(forms.Form):
    """``meaning`` says what happens to the selected."""

    meaning: ClassVar[Any] = ""
    asked = forms.CharField(widget=forms.HiddenInput(), initial="1", label="")

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)

    def arguments(self) -> dict[str, Any]:
        """What the verb is told; money in 分."""
        values = {name: self.cleaned_data[name] for name in self.fields if name != ASKED}
        if "cost" in values:
            values["cost_amount"] = int(100 * (values.pop("cost") or 0))
        return values


class TasksForm(PlanForm):
    meaning = _("给每条预警的负责人建一个待办，在成员算作流失之前完成。")
    note = forms.CharField(
        label=_("怎么联系"),
        max_length=300,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


class BenefitsForm(PlanForm):
    meaning = _("由人发放；发完在“挽回动作”里标记已执行。")
    benefit = line(_("权益"), most=200, help_text=_("例如优惠券的名称或批次号。"))
    cost = cost()
    note = line(_("备注"), most=300, is_needed=False)


class MessageForm(PlanForm):
    meaning = _(
        "起草一条群发，只发给这些成员；照常审批，同意、频次、免打扰等防护都算数。"
        "预警关闭的成员到时不会收到。"
    )
    name = line(_("群发标题"), most=120, initial=_("好久不见"))
    body = forms.CharField(
        label=_("内容"),
        max_length=4000,
        initial=_("{{昵称}}，好久不见！“{{社群}}”的朋友们都在，有空回来看看。"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text=_("可用变量：{{昵称}}、{{社群}}。"),
    )
    channel_account = forms.ModelChoiceField(
        label=_("渠道账号"),
        queryset=ChannelAccount.objects.none(),
        required=False,
        widget=UnfoldAdminSelect2Widget,
        help_text=_("不选则用承载第一个社群最多群的账号。"),
    )
    benefit = line(_("随消息发的权益"), most=200, is_needed=False)
    cost = cost()

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data, user=user)
        accounts = ChannelAccount.objects.active().filter(
            enterprise=user.enterprise_id, kind__in=sending_kinds()
        )
        field: Any = self.fields["channel_account"]
        field.queryset = accounts.order_by("name", "pk")


class WinbackActions(EnterpriseModelAdmin[ChurnAlert]):
    """The ways of keeping members, for many alerts at once."""

    @admin.action(description=_("安排人工联系"), permissions=["work"])
    def ask_colleagues(
        self, request: HttpRequest, queryset: models.QuerySet[ChurnAlert]
    ) -> HttpResponse | None:
        return self._ask_or_plan(
            request, queryset, plan_tasks, TasksForm, title=gettext("安排人工联系")
        )

    @admin.action(description=_("发消息"), permissions=["compose"])
    def send_message(
        self, request: HttpRequest, queryset: models.QuerySet[ChurnAlert]
    ) -> HttpResponse | None:
        return self._ask_or_plan(
            request, queryset, plan_message, MessageForm, title=gettext("起草消息")
        )

    @admin.action(description=_("发权益"), permissions=["work"])
    def give_benefit(
        self, request: HttpRequest, queryset: models.QuerySet[ChurnAlert]
    ) -> HttpResponse | None:
        return self._ask_or_plan(
            request, queryset, plan_benefits, BenefitsForm, title=gettext("安排权益")
        )

    def _ask_or_plan(
        self,
        request: HttpRequest,
        alerts: models.QuerySet[ChurnAlert],
        verb: Callable[..., Planned],
        asking: type[PlanForm],
        *,
        title: str,
    ) -> HttpResponse | None:
        form = asking(request.POST if ASKED in request.POST else None, user=admin_user(request))
        if form.is_valid():
            ids = list(alerts.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
            try:
                planned = verb(ids, actor=admin_user(request), **form.arguments())
            except DomainError as refusal:
                form.add_error(None, refusal.message)
            else:
                return self._tell(request, planned)
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "meaning": form.meaning,
            "count": alerts.count(),
            "action": request.POST["action"],
            "across": request.POST.get("select_across", "0"),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, PLACE, context)

    def _tell(self, request: HttpRequest, planned: Planned) -> HttpResponse | None:
        for refused in planned.refused:
            words = {"id": refused.alert_id, "reason": refused.message}
            text = gettext("预警 #%(id)d：%(reason)s") % words
            self.message_user(request, text, messages.WARNING)
        done = gettext("已安排 %(count)d 条。") % {"count": len(planned.actions)}
        self.message_user(request, done, messages.SUCCESS)
        if planned.broadcast is None:
            return None
        page = reverse("admin:campaigns_broadcast_change", args=[planned.broadcast.pk])
        return HttpResponseRedirect(page)
