from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, Count, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from communities.admin.transfer_dialogs import ReasonDialog
from communities.admin.transfer_panels import fragment_of, panels_of
from communities.admin.transfer_progress import (
    NOTHING,
    Counts,
    bar,
    counts_of,
    subjects_in_words,
    troubled,
)
from communities.models import OwnershipTransfer, ResignationCase
from communities.rules.resignation import deadline_of
from communities.rules.transfers import EXPLAINED, OPEN_CASES, CaseStatus, ItemState
from communities.services.resignation.resigning import (
    approve_case,
    case_progress,
    open_case,
    reject_case,
    replan_case,
)
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user, confirm
from scrm.accounts.models import Staff, User
from scrm.accounts.rules.roles import Capability

STATUS_COLOURS = {
    CaseStatus.OPENED: "info",
    CaseStatus.AWAITING_APPROVAL: "warning",
    CaseStatus.RUNNING: "primary",
    CaseStatus.CLOSED: "success",
}


def explained(counts: Counts) -> int:
    return sum(count for (_subject, state), count in counts.items() if state in EXPLAINED)


def transfer_of(case: ResignationCase) -> OwnershipTransfer | None:
    return getattr(case, "transfer", None)  # the other end of one-to-one


class CountedCases(ChangeList):
    """A list whose page of cases carries the counts of their items."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        transfers = {row.pk: transfer_of(row) for row in rows}
        counts = counts_of(transfer.pk for transfer in transfers.values() if transfer)
        for row in rows:
            transfer = transfers[row.pk]
            row.item_counts = counts[transfer.pk] if transfer else Counter()
        self.result_list = rows


def open_case_of(*, actor: User, staff: Staff) -> ResignationCase:
    return open_case(staff.pk, actor=actor)


@admin.register(ResignationCase)
class ResignationCaseAdmin(EnterpriseModelAdmin[ResignationCase]):
    """The board of those who have left, and the page of each."""

    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.TRANSFER_OWNERSHIP
    action_capabilities: ClassVar[dict[str, Capability]] = {
        "plan": Capability.TRANSFER_OWNERSHIP,
        "approve": Capability.APPROVE_TRANSFERS,
    }
    create_verb = open_case_of
    list_display = (
        "title",
        "status_label",
        "what",
        "progress",
        "trouble_count",
        "deadline",
        "opened_at",
    )
    list_filter = (
        ("status", MultipleChoicesDropdownFilter),
        ("cause", MultipleChoicesDropdownFilter),
    )
    list_select_related = ("staff__department", "transfer")
    list_fullwidth = True
    list_before_template = "admin/communities/resignationcase/board.html"
    search_fields = ("staff__name", "staff__external_id")
    autocomplete_fields = ("staff",)
    actions_detail = ("approve", "reject", "replan")
    shown = (
        ("staff_link", "status"),
        ("cause", "opened_by"),
        ("opened_at", "left_at"),
        ("listed_at", "closed_at"),
        ("transfer_link", "trouble"),
    )

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["shared/facts.css", "communities/transfers.css"]
        }

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- the board ---

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return CountedCases

    def get_ordering(self, request: HttpRequest) -> Any:
        is_open = Case(
            When(status__in=sorted(OPEN_CASES), then=Value(0)),
            default=Value(1),
            output_field=IntegerField(),
        )
        return (is_open, "left_at", "-pk")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {**(extra_context or {}), "board": self.board(request)}
        return super().changelist_view(request, context)

    def board(self, request: HttpRequest) -> list[dict[str, Any]]:
        """How many cases are in each status."""
        visible: QuerySet[ResignationCase] = self.get_queryset(request)
        found = dict(visible.order_by().values_list("status").annotate(count=Count("pk")))
        link = reverse("admin:communities_resignationcase_changelist")
        return [
            {
                "label": status.label,
                "count": found.get(status.value, 0),
                "link": f"{link}?status__exact={status.value}",
                "is_open": status in OPEN_CASES,
            }
            for status in CaseStatus
            if status in OPEN_CASES or found.get(status.value)
        ]

    @display(description=_("离职员工"), ordering="staff__name", header=True)
    def title(self, case: ResignationCase) -> list[str]:
        department = case.staff.department.name if case.staff.department else ""
        return [case.staff.name, department, case.staff.name[:1]]

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, case: ResignationCase) -> tuple[str, str]:
        return case.status, case.get_status_display()

    @display(description=_("名下"))
    def what(self, case: Any) -> str:
        return subjects_in_words(case.item_counts)

    @display(description=_("有结果"))
    def progress(self, case: Any) -> Any:
        return bar(explained(case.item_counts), case.item_counts.total())

    @display(description=_("要处理"))
    def trouble_count(self, case: Any) -> str:
        count = troubled(case.item_counts)
        return gettext("%(count)d 项") % {"count": count} if count else NOTHING

    @display(description=_("平台继承期限"), ordering="left_at")
    def deadline(self, case: ResignationCase) -> str:
        return date_format(localtime(deadline_of(case.left_at)), "Y-m-d")

    # --- the page ---

    def get_fields(self, request: HttpRequest, obj: ResignationCase | None = None) -> Any:
        return self.shown if obj else ("staff",)

    def get_readonly_fields(self, request: HttpRequest, obj: ResignationCase | None = None) -> Any:
        return [name for names in self.shown for name in names] if obj else ()

    @display(description=_("离职员工"))
    def staff_link(self, case: ResignationCase) -> SafeString:
        url = reverse("admin:accounts_staff_change", args=[case.staff_id])
        return format_html('<a class="text-primary-600" href="{}">{}</a>', url, case.staff.name)

    @display(description=_("资产转让"))
    def transfer_link(self, case: ResignationCase) -> SafeString | str:
        transfer = transfer_of(case)
        if transfer is None:
            return NOTHING
        url = reverse("admin:communities_ownershiptransfer_change", args=[transfer.pk])
        link = '<a class="text-primary-600" href="{}">#{} {}</a>'
        return format_html(link, url, transfer.pk, transfer.get_status_display())

    def get_queryset(self, request: HttpRequest) -> QuerySet[ResignationCase]:
        rows = super().get_queryset(request)
        return rows.select_related("staff__department", "opened_by", "transfer")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        case = self.get_object(request, object_id) if object_id else None
        if case is None:
            context = {**(extra_context or {}), "show_save_and_add_another": False}
            return super().changeform_view(request, object_id, form_url, context)
        transfer = transfer_of(case)
        part = fragment_of(request, transfer) if transfer else None
        if part is not None and self.has_view_permission(request):
            return part
        context = {
            **(extra_context or {}),
            "case": case,
            "case_progress": case_progress(case),
            "panels": panels_of(request, transfer) if transfer else None,
        }
        return super().changeform_view(request, object_id, form_url, context)

    def response_add(
        self, request: HttpRequest, obj: ResignationCase, post_url_continue: str | None = None
    ) -> HttpResponse:
        done = gettext("离职交接已建立：登录和密钥已停用，系统正在清点名下的群和客户。")
        self.message_user(request, done, "success")
        return self.back_to(request, obj)

    # --- buttons ---

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        case = self.get_object(request, str(object_id))
        buttons = super().get_actions_detail(request, object_id)
        if case is None or case.status not in OPEN_CASES:
            return []
        fitting = {"replan"}
        transfer = transfer_of(case)
        if transfer is not None and transfer.items.filter(state=ItemState.PENDING).exists():
            fitting.add("reject")
            if admin_user(request).pk not in {transfer.created_by_id, transfer.planned_by_id}:
                fitting.add("approve")
        return [one for one in buttons if one.method.__name__ in fitting]

    @action(
        description=_("批准方案"),
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permissions=["approve"],
        dialog=confirm(_("批准交接方案？"), _("批准后立即开始，按平台额度分日执行。")),
    )
    def approve(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, approve_case, done=gettext("已批准。"))

    @action(
        description=_("驳回方案"),
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["approve"],
        dialog={
            **confirm(_("驳回交接方案？"), _("交接不会取消，要重新制定方案。")),
            "form_class": ReasonDialog,
        },
    )
    def reject(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> Any:
        reason = form.cleaned_data["reason"]
        return self.run_on_row(
            request, object_id, reject_case, done=gettext("已驳回。"), reason=reason
        )

    @action(
        description=_("重新清点和分配"),
        icon="refresh",
        permissions=["plan"],
        dialog=confirm(
            _("重新清点和分配？"), _("规则、人员或接手人变化后用；已经提交给平台的不动。")
        ),
    )
    def replan(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, replan_case, done=gettext("已开始重新清点。"))
