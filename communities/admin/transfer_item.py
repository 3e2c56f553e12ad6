from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display

from communities.admin.transfer_dialogs import (
    ReasonDialog,
    ReceiverDialog,
    ReceiverField,
    reason_field,
    refuse_unable,
)
from communities.admin.transfer_progress import STATE_COLOURS
from communities.admin.transfer_rows import (
    RELATED,
    how_in_words,
    link_of,
    name_of,
    names_of_customers,
    when_in_words,
)
from communities.models import TransferItem
from communities.rules.transfer_status import MENDABLE, OPEN_ITEMS
from communities.rules.transfer_words import item_words
from communities.services.transfers.items import assign_receiver, retry_items, waive_items
from scrm.accounts.admin_scope import HistoryModelAdmin, admin_user, confirm
from scrm.accounts.models import Staff, User
from scrm.accounts.rules.roles import Capability
from scrm.shared.errors import DomainError

type Verb = Callable[..., object]


class NamedItems(ChangeList):
    """A list whose page of items carries the names of its customers."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        names = names_of_customers(rows, user=admin_user(request))
        for row in rows:
            row.shown_name = name_of(row, names)
        self.result_list = rows


class WaiveForm(forms.Form):
    reason = reason_field()

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)


class AssignForm(forms.Form):
    receiver = ReceiverField()

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        self.fields["receiver"].offer(user)  # type: ignore[attr-defined]  # a field of ours

    def clean_receiver(self) -> Staff:
        receiver: Staff = self.cleaned_data["receiver"]
        refuse_unable(receiver)
        return receiver


@admin.register(TransferItem)
class TransferItemAdmin(HistoryModelAdmin[TransferItem]):
    """Every item with what became of it; one, several or all that are found can be dealt with."""

    view_capability = Capability.VIEW_COMMUNITIES
    action_capabilities: ClassVar[dict[str, Capability]] = {"plan": Capability.TRANSFER_OWNERSHIP}
    list_display = (
        "what",
        "transfer_link",
        "giver",
        "receiver",
        "state_label",
        "words",
        "moment",
        "route",
    )
    list_filter = (
        ("state", MultipleChoicesDropdownFilter),
        ("subject", MultipleChoicesDropdownFilter),
        ("route", MultipleChoicesDropdownFilter),
        "giver",
        "receiver",
    )
    list_select_related = RELATED
    list_fullwidth = True
    search_fields = ("chat__name", "community__name", "=external_userid")
    ordering = ("-pk",)
    actions = ("retry_selected", "assign_selected", "waive_selected")
    actions_detail = ("retry", "assign", "waive")
    actions_row = ("retry", "assign", "waive")
    fields = (
        ("what", "transfer_link"),
        ("giver", "receiver"),
        ("how", "route"),
        ("state", "words"),
        ("platform_code", "platform_message"),
        ("sent_at", "accepted_at"),
        ("takeover_at", "verified_at"),
        ("attempt_count", "closed_by"),
        "note",
    )
    readonly_fields = (
        "what",
        "transfer_link",
        "giver",
        "receiver",
        "how",
        "route",
        "state",
        "words",
        "platform_code",
        "platform_message",
        "sent_at",
        "accepted_at",
        "takeover_at",
        "verified_at",
        "attempt_count",
        "closed_by",
        "note",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[TransferItem]:
        return super().get_queryset(request).select_related(*RELATED)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> TransferItem | None:
        found: Any = super().get_object(request, object_id, from_field)
        if found is not None:
            names = names_of_customers([found], user=admin_user(request))
            found.shown_name = name_of(found, names)
        return found  # type: ignore[no-any-return]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return NamedItems

    @display(description=_("对象"))
    def what(self, item: Any) -> SafeString:
        link, words = link_of(item), f"{item.get_subject_display()}：{item.shown_name}"
        if not link:
            return format_html("{}", words)
        return format_html('<a class="text-primary-600" href="{}">{}</a>', link, words)

    @display(description=_("资产转让"), ordering="transfer")
    def transfer_link(self, item: TransferItem) -> SafeString:
        url = reverse("admin:communities_ownershiptransfer_change", args=[item.transfer_id])
        link = '<a class="text-primary-600 whitespace-nowrap" href="{}">#{}</a>'
        return format_html(link, url, item.transfer_id)

    @display(description=_("状态"), ordering="state", label=STATE_COLOURS)
    def state_label(self, item: TransferItem) -> tuple[str, str]:
        return item.state, item.get_state_display()

    @display(description=_("说明"))
    def words(self, item: TransferItem) -> str:
        return item_words(item) or item.note or "—"

    @display(description=_("时间"))
    def moment(self, item: TransferItem) -> str:
        return when_in_words(item) or "—"

    @display(description=_("依据"))
    def how(self, item: TransferItem) -> str:
        return how_in_words(item)

    # --- one item ---

    def idle_buttons(self, row: TransferItem) -> set[str]:
        idle = set() if row.state in OPEN_ITEMS else {"assign", "waive"}
        return idle if row.state in MENDABLE else idle | {"retry"}

    def run_on_item(
        self, request: HttpRequest, object_id: str, verb: Verb, *, done: str, **arguments: Any
    ) -> HttpResponse:
        item = self.row(request, object_id)
        self.run_on_items(request, [item], verb, done=done, **arguments)
        return self.back_to(request, item)

    @action(
        description=_("重试"),
        icon="refresh",
        permissions=["plan"],
        dialog=confirm(_("重试这一项？"), _("先重新核对，能转的再次排队。")),
    )
    def retry(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_item(request, object_id, retry_items, done=gettext("已重新排队"))

    @action(
        description=_("改派"),
        icon="person_add",
        permissions=["plan"],
        dialog={
            **confirm(_("改派给谁？"), _("执行中的转让，改派后需要另一位同事再批准。")),
            "form_class": ReceiverDialog,
        },
    )
    def assign(self, request: HttpRequest, form: ReceiverDialog, object_id: str) -> Any:
        receiver = form.cleaned_data["receiver"]
        return self.run_on_item(
            request, object_id, assign_receiver, done=gettext("已改派"), receiver=receiver
        )

    @action(
        description=_("不再转"),
        icon="do_not_disturb_on",
        permissions=["plan"],
        dialog={**confirm(_("这一项不再转？"), _("理由会留档。")), "form_class": ReasonDialog},
    )
    def waive(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> Any:
        reason = form.cleaned_data["reason"]
        return self.run_on_item(
            request, object_id, waive_items, done=gettext("已记为不再转"), reason=reason
        )

    # --- several ---

    @admin.action(description=_("重试所选"), permissions=["plan"])
    def retry_selected(self, request: HttpRequest, queryset: models.QuerySet[TransferItem]) -> None:
        self.run_on_items(request, queryset, retry_items, done=gettext("已重新排队"))

    @admin.action(description=_("改派所选"), permissions=["plan"])
    def assign_selected(
        self, request: HttpRequest, queryset: models.QuerySet[TransferItem]
    ) -> HttpResponse | None:
        return self.ask_or_run(request, queryset, AssignForm, assign_receiver, gettext("改派"))

    @admin.action(description=_("所选不再转"), permissions=["plan"])
    def waive_selected(
        self, request: HttpRequest, queryset: models.QuerySet[TransferItem]
    ) -> HttpResponse | None:
        return self.ask_or_run(request, queryset, WaiveForm, waive_items, gettext("不再转"))

    def ask_or_run(
        self,
        request: HttpRequest,
        items: models.QuerySet[TransferItem],
        form_class: type[WaiveForm | AssignForm],
        verb: Verb,
        title: str,
    ) -> HttpResponse | None:
        (name,) = form_class.base_fields
        form = form_class(request.POST if name in request.POST else None, user=admin_user(request))
        if form.is_valid():
            self.run_on_items(request, items, verb, done=title, **form.cleaned_data)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "count": items.count(),
            "action": request.POST["action"],
            "across": request.POST.get("select_across", "0"),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        template = "admin/communities/transferitem/ask.html"
        return TemplateResponse(request, template, context)

    def run_on_items(
        self,
        request: HttpRequest,
        items: models.QuerySet[TransferItem] | Iterable[TransferItem],
        verb: Verb,
        *,
        done: str,
        **arguments: object,
    ) -> None:
        """One verb per hand-over, with those of its items."""
        chosen: dict[int, list[int]] = defaultdict(list)
        for transfer_id, item_id in identities(items):
            chosen[transfer_id].append(item_id)
        count = 0
        for transfer_id, item_ids in sorted(chosen.items()):
            try:
                verb(transfer_id, item_ids=item_ids, actor=admin_user(request), **arguments)
            except DomainError as refusal:
                self.message_user(request, f"#{transfer_id}：{refusal.message}", messages.ERROR)
            else:
                count += len(item_ids)
        if count:
            words = gettext("%(done)s（%(count)d 项）") % {"done": done, "count": count}
            self.message_user(request, words, messages.SUCCESS)


def identities(
    items: models.QuerySet[TransferItem] | Iterable[TransferItem],
) -> Iterable[tuple[int, int]]:
    if isinstance(items, models.QuerySet):
        return items.order_by("pk").values_list("transfer_id", "pk")
    return [(item.transfer_id, item.pk) for item in items]
