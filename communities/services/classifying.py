"""The axes by which communities are classified, and their values."""

from __future__ import annotations

from typing import TypedDict, Unpack

from django.db import transaction
from django.utils.translation import gettext as _

from communities.errors import BadValidity, BelongsElsewhere, CodeTaken, TooDeep, WouldLoop
from communities.models import ClassificationAxis, ClassificationValue
from communities.rules.tree import MAX_DEPTH, depth_under, would_loop
from communities.services.belonging import refuse_strangers
from communities.signals import axis_made_exclusive
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing

MAX_VALID_DAYS = 36_500


class AxisFields(TypedDict, total=False):
    code: str
    name: str
    requires_evidence: bool
    is_exclusive: bool
    evidence_valid_days: int | None


class ValueFields(TypedDict, total=False):
    code: str
    name: str
    parent: ClassificationValue | None


@transaction.atomic
def create_axis(*, actor: User, **fields: Unpack[AxisFields]) -> ClassificationAxis:
    axis = ClassificationAxis(enterprise=actor.enterprise, **fields)
    _refuse_bad_validity(axis)
    with refusing(_code_taken(axis.code), constraint="classification_axis_code_is_unique"):
        axis.save(force_insert=True)
    record_audit(actor, verb="create_axis", subject=axis, after=snapshot(axis, fields))
    return axis


@transaction.atomic
def edit_axis(axis_id: int, *, actor: User, **changes: Unpack[AxisFields]) -> ClassificationAxis:
    axis = ClassificationAxis.objects.select_for_update(no_key=True).get(pk=axis_id)
    before = snapshot(axis, changes)
    was_exclusive = axis.is_exclusive
    for name, value in changes.items():
        setattr(axis, name, value)
    _refuse_bad_validity(axis)
    if changes:
        with refusing(_code_taken(axis.code), constraint="classification_axis_code_is_unique"):
            axis.save(update_fields=list(changes))
    if axis.is_exclusive and not was_exclusive:
        axis_made_exclusive.send(sender=ClassificationAxis, axis_id=axis.pk)
    record_audit(
        actor, verb="edit_axis", subject=axis, before=before, after=snapshot(axis, changes)
    )
    return axis


@transaction.atomic
def create_value(
    *, axis: ClassificationAxis, actor: User, **fields: Unpack[ValueFields]
) -> ClassificationValue:
    refuse_strangers(actor.enterprise_id, [axis])
    value = ClassificationValue(axis=axis, **fields)
    _refuse_misplacement(value)
    with refusing(_code_taken(value.code), constraint="classification_value_code_is_unique"):
        value.save(force_insert=True)
    record_audit(
        actor,
        verb="create_value",
        subject=axis,
        after=snapshot(value, fields) | {"value": value.pk},
    )
    return value


@transaction.atomic
def edit_value(
    value_id: int, *, actor: User, **changes: Unpack[ValueFields]
) -> ClassificationValue:
    """Rename a value or hang it elsewhere. It never changes its axis."""
    value = (
        ClassificationValue.objects.select_for_update(no_key=True, of=("self",))
        .select_related("axis")
        .get(pk=value_id)
    )
    before = snapshot(value, changes) | {"value": value.pk}
    for name, new in changes.items():
        setattr(value, name, new)
    if "parent" in changes:
        _refuse_misplacement(value)
    if changes:
        with refusing(_code_taken(value.code), constraint="classification_value_code_is_unique"):
            value.save(update_fields=list(changes))
    record_audit(
        actor,
        verb="edit_value",
        subject=value.axis,
        before=before,
        after=snapshot(value, changes) | {"value": value.pk},
    )
    return value


def _refuse_bad_validity(axis: ClassificationAxis) -> None:
    days = axis.evidence_valid_days
    if days is not None and not 1 <= days <= MAX_VALID_DAYS:
        raise BadValidity(
            _("凭证有效天数应在 1 到 %(limit)d 之间，留空表示一直有效。")
            % {"limit": MAX_VALID_DAYS}
        )


def _refuse_misplacement(value: ClassificationValue) -> None:
    """One tree an axis, changed by one at a time: two moves together could close a loop."""
    if value.parent is None:
        return
    if value.parent.axis_id != value.axis_id:
        raise BelongsElsewhere(_("上级必须是同一维度的值，请另选上级。"))
    ClassificationAxis.objects.select_for_update(no_key=True).get(pk=value.axis_id)
    parents = dict(
        ClassificationValue.objects.filter(axis=value.axis_id).values_list("pk", "parent_id")
    )
    if would_loop(parents, node=value.pk, parent=value.parent.pk):
        raise WouldLoop(_("上级不能是自己或自己的下级，请另选上级。"))
    if depth_under(parents, node=value.pk, parent=value.parent.pk) > MAX_DEPTH:
        raise TooDeep(_("分类值最多 %(limit)d 层，请选更靠上的上级。") % {"limit": MAX_DEPTH})


def _code_taken(code: str) -> CodeTaken:
    return CodeTaken(_("代码 %(code)s 已被使用，请换一个。") % {"code": code})
