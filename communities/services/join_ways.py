"""Join ways: the short links and QR codes that lead people to a chat with room."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NotRequired, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from communities.errors import BelongsElsewhere, CommunityIsOver, InvalidRoute, JoinWayIsClosed
from communities.models import ClassificationValue, Community, GroupChat, JoinRoute, JoinWay
from communities.rules.join_ways import MAX_WEIGHT, new_code
from communities.rules.status import ChatState, JoinWayState
from communities.services.belonging import refuse_strangers
from communities.services.gatekeeping import OVER
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot

TRIES = 5  # a second clash in a row does not happen


class JoinWayFields(TypedDict, total=False):
    name: str
    source: str


class RouteFields(TypedDict):
    """One chat that a way may lead to; without a region it serves everybody."""

    chat: GroupChat
    weight: NotRequired[int]
    region: NotRequired[ClassificationValue | None]


@transaction.atomic
def create_join_way(
    community: Community,
    *,
    name: str,
    source: str,
    actor: User,
    routes: Iterable[RouteFields] = (),
) -> JoinWay:
    """A new way with a code of its own. Without routes it leads to every chat of the community."""
    community = Community.objects.select_for_update(no_key=True).get(pk=community.pk)
    refuse_strangers(actor.enterprise_id, [community])
    if community.status in OVER:
        raise CommunityIsOver(_("社群已结束，不能再建群活码。"))
    way = JoinWay(
        enterprise=actor.enterprise,
        community=community,
        name=name,
        source=source,
        created_by=actor,
    )
    _save_under_a_free_code(way)
    given = tuple(routes)
    _put_routes(way, given)
    record_audit(
        actor,
        verb="create_join_way",
        subject=way,
        after=snapshot(way, ["code", "name", "source", "community"]) | {"routes": _told(given)},
    )
    return way


@transaction.atomic
def edit_join_way(way_id: int, *, actor: User, **changes: Unpack[JoinWayFields]) -> JoinWay:
    """Change name or source. Code and community stay: both are printed on posters."""
    way = _locked(way_id)
    _refuse_closed(way)
    before = snapshot(way, changes)
    for name, value in changes.items():
        setattr(way, name, value)
    if changes:
        way.save(update_fields=list(changes))
    record_audit(
        actor, verb="edit_join_way", subject=way, before=before, after=snapshot(way, changes)
    )
    return way


@transaction.atomic
def set_routes(way_id: int, *, routes: Iterable[RouteFields], actor: User) -> JoinWay:
    """Replace the whole list of chats; an empty one leads to every chat of the community."""
    way = _locked(way_id)
    _refuse_closed(way)
    former = [
        RouteFields(chat=route.chat, weight=route.weight, region=route.region)
        for route in way.routes.select_related("chat", "region").order_by("pk")
    ]
    given = tuple(routes)
    _put_routes(way, given)
    record_audit(
        actor,
        verb="set_routes",
        subject=way,
        before={"routes": _told(former)},
        after={"routes": _told(given)},
    )
    return way


@transaction.atomic
def pause_join_way(way_id: int, *, actor: User) -> JoinWay:
    """Scans read that the way rests. Pausing again changes nothing."""
    return _turn(way_id, JoinWayState.PAUSED, verb="pause_join_way", actor=actor)


@transaction.atomic
def resume_join_way(way_id: int, *, actor: User) -> JoinWay:
    return _turn(way_id, JoinWayState.ACTIVE, verb="resume_join_way", actor=actor)


@transaction.atomic
def close_join_way(way_id: int, *, actor: User) -> JoinWay:
    """For good: the code is neither used nor given again."""
    return _turn(way_id, JoinWayState.CLOSED, verb="close_join_way", actor=actor)


def _turn(way_id: int, state: JoinWayState, *, verb: str, actor: User) -> JoinWay:
    way = _locked(way_id)
    if way.state == state:
        return way
    _refuse_closed(way)
    before = snapshot(way, ["state"])
    way.state = state
    way.save(update_fields=["state"])
    record_audit(actor, verb=verb, subject=way, before=before, after={"state": state})
    return way


def _locked(way_id: int) -> JoinWay:
    return JoinWay.objects.select_for_update(no_key=True).get(pk=way_id)


def _refuse_closed(way: JoinWay) -> None:
    if way.state == JoinWayState.CLOSED:
        raise JoinWayIsClosed(_("群活码已停用，不能再改；请新建一个。"))


def _save_under_a_free_code(way: JoinWay) -> None:
    for tries_left in reversed(range(TRIES)):
        way.code = new_code()
        try:
            with transaction.atomic():
                way.save(force_insert=True)
        except IntegrityError:
            if not tries_left or not JoinWay.objects.filter(code=way.code).exists():
                raise
        else:
            return


def _put_routes(way: JoinWay, routes: tuple[RouteFields, ...]) -> None:
    if any(not 0 <= route.get("weight", 1) <= MAX_WEIGHT for route in routes):
        raise InvalidRoute(_("权重要在 0 到 %(most)d 之间。") % {"most": MAX_WEIGHT})
    _refuse_unfit_chats(way, [route["chat"] for route in routes])
    _refuse_foreign_regions(way, routes)
    way.routes.all().delete()
    JoinRoute.objects.bulk_create(JoinRoute(join_way=way, **route) for route in routes)


def _refuse_unfit_chats(way: JoinWay, chats: list[GroupChat]) -> None:
    if len({chat.pk for chat in chats}) < len(chats):
        raise InvalidRoute(_("同一个客户群只能出现一次。"))
    for chat in chats:
        if chat.community_id != way.community_id or chat.enterprise_id != way.enterprise_id:
            raise InvalidRoute(_("“%(chat)s”没有承载这个社群，请先分配或另选。") % {"chat": chat})
        if chat.state == ChatState.DISSOLVED:
            raise InvalidRoute(_("“%(chat)s”已解散，请另选。") % {"chat": chat})


def _refuse_foreign_regions(way: JoinWay, routes: tuple[RouteFields, ...]) -> None:
    regions = {region.pk for route in routes if (region := route.get("region")) is not None}
    known = ClassificationValue.objects.filter(
        pk__in=regions, axis__enterprise_id=way.enterprise_id
    )
    if known.count() < len(regions):
        raise BelongsElsewhere(_("有地区不属于这家企业，请另选。"))


def _told(routes: Iterable[RouteFields]) -> list[dict[str, object]]:
    return [
        {
            "chat": route["chat"],
            "weight": route.get("weight", 1),
            "region": region.code if (region := route.get("region")) else None,
        }
        for route in routes
    ]
