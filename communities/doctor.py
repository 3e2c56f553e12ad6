"""What the self-check asks about ownership: does every chat have an owner, now and all along?"""

from __future__ import annotations

from django.utils.translation import gettext as _

from communities.models import OwnershipViolation
from communities.selectors import chats_with_gaps, left_with_leavers
from scrm.shared.diagnosis import Finding, check, failed, fine, warning


@check("ownership_history")
def every_chat_has_had_an_owner() -> Finding:
    title = _("群主任期")
    gaps = chats_with_gaps()
    if gaps:
        detail = _("%(count)d 个客户群的任期不连续，第一个的编号是 %(id)d") % {
            "count": len(gaps),
            "id": gaps[0],
        }
        return failed(title, detail, fix=_("把这个结果告诉开发者：程序漏记了群主的更换"))
    open_ones = OwnershipViolation.objects.open().count()
    if open_ones:
        detail = _("%(count)d 次违规换群主待处理") % {"count": open_ones}
        return warning(title, detail, fix=_("后台：社群 → 违规换群主"))
    return fine(title, _("没有空缺"))


@check("chats_of_leavers")
def no_chat_stays_with_who_left() -> Finding:
    title = _("离职员工的客户群")
    count = left_with_leavers().count()
    if count:
        detail = _("%(count)d 个还在离职员工名下，没有进行中的离职交接") % {"count": count}
        return warning(
            title, detail, fix=_("后台：离职交接 → 新建；系统每天 00:40 也会自动建立交接")
        )
    return fine(title, _("没有遗留"))
