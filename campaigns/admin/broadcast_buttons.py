"""What can be done with a broadcast, each a verb of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.enums import ActionVariant

from campaigns.admin.broadcast_dialogs import (
    ApproveDialog,
    OptionalReasonDialog,
    ReasonDialog,
    ReleaseDialog,
    ScheduleDialog,
    TypedCountDialog,
)
from campaigns.models import Approval, Broadcast
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.approvals import standing
from campaigns.selectors.calendar import schedule_of
from campaigns.selectors.choices import COMPOSE, is_available
from campaigns.services import approving, controlling, halting, schedules, scheduling
from scrm.accounts.admin_gates import admin_user
from scrm.accounts.admin_scope import confirm

if TYPE_CHECKING:
    from scrm.accounts.admin_scope import EnterpriseModelAdmin

    Base = EnterpriseModelAdmin[Broadcast]
else:
    Base = object

BUTTONS = (
    "submit",
    "approve",
    "reject",
    "schedule",
    "pause",
    "resume",
    "release",
    "halt",
    "unschedule",
    "end_schedule",
    "return_to_draft",
    "cancel",
)
RECURS = frozenset({BroadcastStatus.SCHEDULED, BroadcastStatus.RUNNING})


class BroadcastButtons(Base):
    def get_actions_detail(self, request: HttpRequest, object_id: int | str) -> Any:
        broadcast = self.get_object(request, str(object_id))
        actions = super().get_actions_detail(request, object_id)
        if broadcast is None:
            return []
        user = admin_user(request)
        given = standing(Approval.objects.filter(broadcast=broadcast))
        approved_by = list(given.values_list("user_id", flat=True))
        recurs = broadcast.status in RECURS and schedule_of(broadcast) is not None

        def is_shown(name: str) -> bool:
            if name == "end_schedule":
                return recurs and user.can(COMPOSE)
            return is_available(name, broadcast, user, approved_by=approved_by)

        return [one for one in actions if is_shown(one.method.__name__)]

    @action(
        description=_("送审"),
        icon="send",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog=confirm(_("送审这条群发？"), _("送审后不能修改；需要另一位同事批准。")),
    )
    def submit(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = approving.submit_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已送审。"))

    @action(
        description=_("批准"),
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permissions=["approve"],
        dialog={
            **confirm(_("批准这条群发？"), _("批准的是现在的内容和人群；之后变了，批准就作废。")),
            "form_class": ApproveDialog,
        },
    )
    def approve(self, request: HttpRequest, form: ApproveDialog, object_id: str) -> Any:
        values = form.cleaned_data
        return self.run_on_row(
            request,
            object_id,
            approving.approve_broadcast,
            done=gettext("已记下你的批准。"),
            digest=values["digest"],
            accepts_override=values.get("accepts_override", False),
            note=values["note"],
        )

    @action(
        description=_("不批准"),
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["approve"],
        dialog={**confirm(_("不批准，退回作者？")), "form_class": ReasonDialog},
    )
    def reject(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            approving.return_broadcast_to_draft,
            done=gettext("已退回作者。"),
            reason=form.cleaned_data["reason"],
        )

    @action(
        description=_("退回草稿"),
        icon="undo",
        permissions=["compose"],
        dialog={
            **confirm(_("退回草稿？"), _("之前的批准作废。")),
            "form_class": OptionalReasonDialog,
        },
    )
    def return_to_draft(
        self, request: HttpRequest, form: OptionalReasonDialog, object_id: str
    ) -> Any:
        return self.run_on_row(
            request,
            object_id,
            approving.return_broadcast_to_draft,
            done=gettext("已退回草稿。"),
            reason=form.cleaned_data["reason"],
        )

    @action(
        description=_("排期发送"),
        icon="schedule_send",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog={**confirm(_("什么时候发送？")), "form_class": ScheduleDialog},
    )
    def schedule(self, request: HttpRequest, form: ScheduleDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            scheduling.schedule_broadcast,
            done=gettext("已排期。"),
            scheduled_at=form.cleaned_data["scheduled_at"],
        )

    @action(
        description=_("撤回排期"),
        icon="event_busy",
        permissions=["compose"],
        dialog=confirm(_("撤回排期？"), _("批准仍然有效，可以重新排期。")),
    )
    def unschedule(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = scheduling.unschedule_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已撤回排期。"))

    @action(
        description=_("不再重复"),
        icon="event_repeat",
        permissions=["compose"],
        dialog=confirm(_("以后不再重复？"), _("已经开始的这一次照常发完。")),
    )
    def end_schedule(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = schedules.end_schedule
        return self.run_on_row(request, object_id, verb, done=gettext("以后不再重复。"))

    @action(
        description=_("暂停"),
        icon="pause",
        permissions=["compose"],
        dialog=confirm(_("暂停发送？"), _("正在发的批次会发完，不再开始新的。")),
    )
    def pause(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = controlling.pause_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已暂停。"))

    @action(
        description=_("继续"),
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog={
            **confirm(_("继续发送？"), _("已有结果的收件人不会重发。")),
            "form_class": TypedCountDialog,
        },
    )
    def resume(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = controlling.resume_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已继续。"))

    @action(
        description=_("恢复"),
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        permissions=["approve"],
        dialog={
            **confirm(_("恢复被叫停的群发？"), _("先看清为什么叫停。已有结果的收件人不会重发。")),
            "form_class": ReleaseDialog,
        },
    )
    def release(self, request: HttpRequest, form: ReleaseDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            halting.release_broadcast,
            done=gettext("已恢复。"),
            reason=form.cleaned_data["reason"],
        )

    @action(
        description=_("叫停"),
        icon="front_hand",
        variant=ActionVariant.DANGER,
        permissions=["compose"],
        dialog={
            **confirm(
                _("立即叫停？"),
                _("不再开始新的调用，等群主确认的也在平台上停止；恢复要审批人写明理由。"),
            ),
            "form_class": ReasonDialog,
        },
    )
    def halt(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            halting.halt_by_hand,
            done=gettext("已叫停。"),
            reason=form.cleaned_data["reason"],
        )

    @action(
        description=_("取消"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["compose"],
        dialog={
            **confirm(_("取消这条群发？"), _("不能恢复；已经发出的收不回来。")),
            "form_class": TypedCountDialog,
        },
    )
    def cancel(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = controlling.cancel_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已取消。"))
