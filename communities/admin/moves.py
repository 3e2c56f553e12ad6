"""One button for each status that a community can move to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.enums import ActionVariant

from communities.rules.status import CommunityStatus
from communities.services.lifecycle import move_community
from scrm.accounts.admin_scope import confirm

MOVES: dict[CommunityStatus, tuple[Any, str, ActionVariant, Any]] = {
    CommunityStatus.RECRUITING: (
        _("开始招募"),
        "person_add",
        ActionVariant.PRIMARY,
        _("需要写明“什么人”“做什么事”，有负责人和生效的准入规则。之后成员可以申请加入。"),
    ),
    CommunityStatus.WARMING: (
        _("开始预热"),
        "local_fire_department",
        ActionVariant.PRIMARY,
        _("仍然接收新成员。"),
    ),
    CommunityStatus.ACTIVE: (
        _("进入运营"),
        "play_arrow",
        ActionVariant.PRIMARY,
        _("社群正常运营，接收新成员。"),
    ),
    CommunityStatus.PAUSED: (
        _("暂停"),
        "pause",
        ActionVariant.WARNING,
        _("暂停期间不接收新成员，等待中的申请保留。"),
    ),
    CommunityStatus.CLOSING: (
        _("开始收尾"),
        "logout",
        ActionVariant.WARNING,
        _("不再接收新成员，未结束的申请会自动结束。"),
    ),
    CommunityStatus.DISSOLVED: (
        _("解散"),
        "group_off",
        ActionVariant.DANGER,
        _("所有成员的归属和在群时段都会结束，不能撤销。"),
    ),
    CommunityStatus.ARCHIVED: (_("归档"), "inventory_2", ActionVariant.DEFAULT, ""),
    CommunityStatus.CANCELLED: (
        _("取消"),
        "cancel",
        ActionVariant.DANGER,
        _("草稿作废，不能恢复。"),
    ),
}


def name_of(target: CommunityStatus) -> str:
    return f"move_to_{target.value}"


def move_button(target: CommunityStatus) -> Callable[..., Any]:
    title, icon, variant, consequences = MOVES[target]

    def move(self: Any, request: HttpRequest, form: object, object_id: str) -> Any:
        done = gettext("状态已改为“%(status)s”。") % {"status": target.label}
        return self.run_on_row(request, object_id, move_community, done=done, target=target.value)

    move.__name__ = name_of(target)  # Unfold finds the button of a URL by the function's name
    button: Callable[..., Any] = action(
        description=title,
        icon=icon,
        variant=variant,
        permissions=["change"],
        dialog=confirm(title, consequences, submit=title),
    )(move)
    return button
