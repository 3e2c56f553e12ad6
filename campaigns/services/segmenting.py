"""Segments: a criterion with a name, and the list of those who met it when it was drawn up."""

from __future__ import annotations

from typing import TypedDict, Unpack

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.errors import CodeTaken, SegmentInUse, SegmentTooLong
from campaigns.models import Segment, SegmentChat, SegmentMember
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.audience import registry_of
from campaigns.selectors.segments import broadcasts_relying_on, holders_naming
from campaigns.signals import segment_draw_asked
from communities.errors import CriterionTooLong
from communities.rules.circles import DefinedBy, Thing
from communities.services.circularity import refuse_circle, refuse_length
from communities.services.gatekeeping import refuse_unknown_references
from members.criteria import matching_chat_ids, matching_ids
from members.metrics import Moment
from members.models import Member
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.criteria import Criterion, parse_criterion
from scrm.shared.errors import refusing
from scrm.shared.sql import Sql, sql

AT_ONCE = 20_000  # members an enterprise may have for its segments to be drawn while one waits

# {0} is the table of the list, {1} its column.
DRAW = """
WITH met ({1}) AS MATERIALIZED ({{}}),
gone AS (
    DELETE FROM {0} old WHERE segment_id = {{}}
    AND NOT EXISTS (SELECT FROM met WHERE met.{1} = old.{1})
),
come AS (
    INSERT INTO {0} (segment_id, {1}) SELECT {{}}, {1} FROM met
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM met
"""
DRAW_MEMBERS = DRAW.format(SegmentMember._meta.db_table, "member_id")
DRAW_CHATS = DRAW.format(SegmentChat._meta.db_table, "chat_id")


class SegmentChanges(TypedDict, total=False):
    name: str
    criterion: Criterion


@transaction.atomic
def create_segment(
    *,
    code: str,
    name: str,
    criterion: Criterion,
    actor: User,
    target: str = BroadcastTarget.MEMBERS,
) -> Segment:
    """Give a criterion a name, by which criteria over members can speak of one over members. The
    code and what it chooses stay."""
    _refuse_unfit(criterion, target, enterprise_id=actor.enterprise_id)
    segment = Segment(
        enterprise=actor.enterprise,
        code=code,
        name=name,
        target=target,
        criterion=criterion.as_json(),
        created_by=actor,
    )
    taken = CodeTaken(_("代码 %(code)s 已被使用，请换一个。") % {"code": code})
    with refusing(taken, constraint="segment_code_is_unique"):
        segment.save(force_insert=True)
    _refuse_entanglement(segment)
    after = snapshot(segment, ["code", "name", "target", "criterion"])
    record_audit(actor, verb="create_segment", subject=segment, after=after)
    return segment


@transaction.atomic
def edit_segment(segment_id: int, *, actor: User, **changes: Unpack[SegmentChanges]) -> Segment:
    """Rename a segment, or let it mean something else: then the list drawn before is void."""
    segment = Segment.objects.select_for_update(no_key=True).get(pk=segment_id)
    fields = ["name", "criterion"]
    before = snapshot(segment, fields)
    segment.name = changes.get("name", segment.name)
    criterion = changes.get("criterion")
    if criterion is not None and criterion.as_json() != segment.criterion:
        _redefine(segment, criterion)
    after = snapshot(segment, fields)
    if after == before:
        return segment
    segment.save(update_fields=[*fields, "member_count", "drawn_at"])
    if after["criterion"] != before["criterion"]:
        _refuse_entanglement(segment)
    record_audit(actor, verb="edit_segment", subject=segment, before=before, after=after)
    return segment


@transaction.atomic
def draw_segment(segment_id: int, *, actor: User) -> Segment:
    """Draw up the list anew: at once, or with very many members in the background."""
    segment = Segment.objects.select_for_update(no_key=True).get(pk=segment_id)
    everybody = Member.objects.filter(enterprise=segment.enterprise_id)
    is_large = not segment.is_of_chats and everybody[AT_ONCE:].exists()
    if is_large:
        segment.draw_asked_at = timezone.now()
        segment.save(update_fields=["draw_asked_at"])
        segment_draw_asked.send(sender=Segment, segment_id=segment.pk)
    else:
        _draw(segment)
    record_audit(
        actor,
        verb="draw_segment",
        subject=segment,
        after=snapshot(segment, ["member_count", "draw_asked_at"]),
    )
    return segment


@transaction.atomic
def draw_asked_segment(segment_id: int) -> bool:
    """What was asked for in the background; whether there was still something to do."""
    segments = Segment.objects.select_for_update(no_key=True, skip_locked=True)
    segment = segments.filter(pk=segment_id).exclude(draw_asked_at=None).first()
    if segment is None:
        return False
    _draw(segment)
    return True


def segments_to_draw() -> list[int]:
    waiting = Segment.objects.exclude(draw_asked_at=None).order_by("draw_asked_at")
    return list(waiting.values_list("pk", flat=True)[:100])


def _draw(segment: Segment) -> None:
    """One statement: who came, who went, and how many there are now."""
    now = timezone.now()
    moment = Moment(segment.enterprise, now)
    criterion = parse_criterion(segment.criterion, registry=registry_of(segment.target))
    if segment.is_of_chats:
        met = matching_chat_ids(criterion, moment=moment) + Sql(" AND chat.state <> 'dissolved'")
    else:
        met = matching_ids(criterion, moment=moment)
    template = DRAW_CHATS if segment.is_of_chats else DRAW_MEMBERS
    statement = sql(template, met, segment.pk, segment.pk)
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        (segment.member_count,) = cursor.fetchone()
    segment.drawn_at = now
    segment.draw_asked_at = None
    segment.save(update_fields=["member_count", "drawn_at", "draw_asked_at"])


def _redefine(segment: Segment, criterion: Criterion) -> None:
    _refuse_unfit(criterion, segment.target, enterprise_id=segment.enterprise_id)
    relying = broadcasts_relying_on(segment)
    if relying:
        raise SegmentInUse(
            _("群发“%(broadcast)s”按现在的条件送审或批准，请先取消它，或另建一个人群包。")
            % {"broadcast": relying[0].name},
            details={"broadcasts": [broadcast.pk for broadcast in relying]},
        )
    segment.criterion = criterion.as_json()
    segment.member_count = None
    segment.drawn_at = None


def _refuse_unfit(criterion: Criterion, target: str, *, enterprise_id: int) -> None:
    """A criterion over members does not choose chats, and the other way round."""
    parse_criterion(criterion.as_json(), registry=registry_of(target))
    refuse_unknown_references(criterion, enterprise_id=enterprise_id)


def _refuse_entanglement(segment: Segment) -> None:
    """Written, but not yet kept: nothing may need itself, or grow too long by it. No criterion
    speaks of a segment of chats."""
    if segment.is_of_chats:
        return
    thing = Thing(DefinedBy.SEGMENT, segment.code)
    refuse_circle(thing, enterprise_id=segment.enterprise_id)
    refuse_length(parse_criterion(segment.criterion), enterprise_id=segment.enterprise_id)
    for holder in holders_naming(segment):
        try:
            refuse_length(holder.criterion, enterprise_id=segment.enterprise_id)
        except CriterionTooLong as refusal:
            words = {"holder": holder.name, "reason": refusal.message}
            raise SegmentTooLong(_("%(holder)s：%(reason)s") % words) from refusal
