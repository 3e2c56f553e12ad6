"""What can be done with a hand-over, each a verb of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.enums import ActionVariant

from communities.admin.transfer_dialogs import (
    OptionalReasonDialog,
    ReasonDialog,
    ReceiverDialog,
)
from communities.models import OwnershipTransfer
from communities.rules.transfer_status import DERIVED, MENDABLE, OPEN_ITEMS, SUBMITTABLE
from communities.rules.transfers import PLANNABLE, UNDER_WAY, ItemState
from communities.services.transfers.items import assign_receiver, retry_items, waive_items
from communities.services.transfers.returning import return_transfer
from communities.services.transfers.submitting import (
    approve_transfer,
    cancel_transfer,
    preflight_transfer,
    reject_transfer,
    submit_transfer,
)
from scrm.accounts.admin_scope import admin_user, confirm
from scrm.accounts.models import User
from scrm.shared.errors import DomainError

if TYPE_CHECKING:
    from scrm.accounts.admin_scope import EnterpriseModelAdmin

    Base = EnterpriseModelAdmin[OwnershipTransfer]
else:
    Base = object

BUTTONS = (
    "submit",
    "approve",
    "reject",
    "retry",
    "preflight",
    "assign",
    "waive",
    "return_back",
    "cancel",
)
#: Of these, cancelling still stops something.
STOPPABLE = (OPEN_ITEMS | UNDER_WAY) - {ItemState.FAILED, ItemState.ACCEPTED}


def fitting_buttons(transfer: OwnershipTransfer, states: set[str], *, user: User) -> set[str]:
    """Those that make sense for the hand-over as it is. ``states`` are the states of its items."""
    is_planned, is_at_work = transfer.status in SUBMITTABLE, transfer.status in DERIVED
    is_own = user.pk in {transfer.created_by_id, transfer.planned_by_id}
    waits = is_at_work and ItemState.PENDING in states
    is_case = transfer.case_id is not None
    fits = {
        "submit": is_planned,
        "preflight": transfer.status in PLANNABLE | SUBMITTABLE,
        "approve": waits and not is_own,
        "reject": waits,
        "retry": is_at_work and bool(states & MENDABLE),
        "assign": (is_planned or is_at_work) and bool(states & OPEN_ITEMS),
        "waive": (is_planned or is_at_work) and bool(states & MENDABLE),
        "return_back": not is_case and ItemState.VERIFIED in states,
        "cancel": not is_case and (is_planned or (is_at_work and bool(states & STOPPABLE))),
    }
    return {name for name, does_fit in fits.items() if does_fit}


class TransferButtons(Base):
    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        row = self.get_object(request, str(object_id))
        buttons = super().get_actions_detail(request, object_id)
        if row is None:
            return []
        states = set(row.items.order_by().values_list("state", flat=True).distinct())
        fitting = fitting_buttons(row, states, user=admin_user(request))
        return [one for one in buttons if one.method.__name__ in fitting]

    @action(
        description=_("提交"),
        icon="send",
        variant=ActionVariant.PRIMARY,
        permissions=["plan"],
        dialog=confirm(
            _("提交这次转让？"),
            _(
                "会再核对一次资格和额度；不能转的留下并写明原因。需要审批的，由另一位同事批准后才执行。"
            ),
            submit=_("提交"),
        ),
    )
    def submit(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, submit_transfer, done=gettext("已提交。"))

    @action(
        description=_("批准"),
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permissions=["approve"],
        dialog=confirm(_("批准这次转让？"), _("批准后立即开始，按平台额度分日执行。")),
    )
    def approve(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, approve_transfer, done=gettext("已批准。"))

    @action(
        description=_("驳回"),
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["approve"],
        dialog={**confirm(_("驳回这次转让？")), "form_class": ReasonDialog},
    )
    def reject(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            reject_transfer,
            done=gettext("已驳回。"),
            reason=form.cleaned_data["reason"],
        )

    @action(
        description=_("重试"),
        icon="refresh",
        variant=ActionVariant.PRIMARY,
        permissions=["plan"],
        dialog=confirm(_("重试失败和不能转的？"), _("先重新核对，能转的再次排队；其余写明原因。")),
    )
    def retry(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, retry_items, done=gettext("已重新排队。"))

    @action(
        description=_("重新预检"),
        icon="rule",
        permissions=["plan"],
        dialog=confirm(_("重新预检？"), _("按现在的规则、人员和额度重算每一项；不会提交。")),
    )
    def preflight(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, preflight_transfer, done=gettext("已重新预检。"))

    @action(
        description=_("改派接手人"),
        icon="person_add",
        permissions=["plan"],
        dialog={
            **confirm(
                _("全部改派给谁？"),
                _("改的是还没有提交给平台的每一项。只改其中几项，请到明细列表勾选。"),
                submit=_("改派"),
            ),
            "form_class": ReceiverDialog,
        },
    )
    def assign(self, request: HttpRequest, form: ReceiverDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            assign_receiver,
            done=gettext("已改派；执行中的转让需要另一位同事再批准。"),
            receiver=form.cleaned_data["receiver"],
        )

    @action(
        description=_("不再转"),
        icon="do_not_disturb_on",
        permissions=["plan"],
        dialog={
            **confirm(
                _("失败和不能转的，都不再转？"),
                _("理由会留档。只放弃其中几项，请到明细列表勾选。"),
            ),
            "form_class": ReasonDialog,
        },
    )
    def waive(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> Any:
        transfer = self.row(request, object_id)
        stuck = transfer.items.filter(state__in=sorted(MENDABLE)).values_list("pk", flat=True)
        return self.run_on_row(
            request,
            object_id,
            waive_items,
            done=gettext("已记为不再转。"),
            item_ids=list(stuck),
            reason=form.cleaned_data["reason"],
        )

    @action(
        description=_("转回"),
        icon="undo",
        permissions=["plan"],
        dialog=confirm(
            _("把群转回原群主？"),
            _("7 天内核对完成的在职转让可以转回。先生成草稿，看过预检再提交。"),
            submit=_("生成草稿"),
        ),
    )
    def return_back(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)
        try:
            draft = return_transfer(row.pk, actor=admin_user(request))
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return self.back_to(request, row)
        self.message_user(request, gettext("转回的草稿已建立。"), messages.SUCCESS)
        return self.back_to(request, draft)

    @action(
        description=_("取消转让"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["plan"],
        dialog={
            **confirm(
                _("取消这次转让？"),
                _("还没提交给平台的不再提交；已提交的继续核对到有结果。"),
            ),
            "form_class": OptionalReasonDialog,
        },
    )
    def cancel(self, request: HttpRequest, form: OptionalReasonDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            cancel_transfer,
            done=gettext("已取消。"),
            reason=form.cleaned_data["reason"],
        )
