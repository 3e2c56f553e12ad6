import pytest
from django.db import connection

from communities.errors import (
    BelongsElsewhere,
    CommunityIsOver,
    InvalidRoute,
    JoinWayIsClosed,
)
from communities.models import JoinWay
from communities.rules import join_ways as codes
from communities.rules.status import ChatState, CommunityStatus, JoinWayState
from communities.selectors import join_way_by_code
from communities.services import join_ways as services
from communities.services.join_ways import (
    close_join_way,
    create_join_way,
    edit_join_way,
    pause_join_way,
    resume_join_way,
    set_routes,
)
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    GroupChatFactory,
    JoinRouteFactory,
    JoinWayFactory,
)


@pytest.fixture
def actor(db):
    return UserFactory()


@pytest.fixture
def community(actor):
    return CommunityFactory(enterprise=actor.enterprise)


@pytest.fixture
def way(community):
    return JoinWayFactory(community=community)


def test_create_gives_a_code_and_records_who_made_it(actor, community):
    chat = GroupChatFactory(community=community)
    region = ClassificationValueFactory(axis__enterprise=actor.enterprise, code="east")

    way = create_join_way(
        community,
        name="上海海报",
        source="poster",
        actor=actor,
        routes=[{"chat": chat, "weight": 3, "region": region}],
    )

    assert codes.is_code(way.code)
    assert (way.enterprise, way.state, way.created_by) == (actor.enterprise, "active", actor)
    assert list(way.routes.values_list("chat", "weight", "region")) == [(chat.pk, 3, region.pk)]
    event = AuditEvent.objects.get()
    assert (event.verb, event.actor, event.after["code"]) == ("create_join_way", actor, way.code)
    assert event.after["routes"] == [
        {"chat": {"id": chat.pk, "name": chat.name}, "weight": 3, "region": "east"}
    ]


def test_a_code_in_use_is_thrown_again(actor, community, monkeypatch):
    taken = JoinWayFactory().code
    dice = iter([taken, taken, "abcdefg"])
    monkeypatch.setattr(services, "new_code", lambda: next(dice))

    assert create_join_way(community, name="海报", source="poster", actor=actor).code == "abcdefg"


@pytest.mark.parametrize("status", ["dissolved", "archived", "cancelled"])
def test_a_community_that_is_over_gets_no_way(actor, status):
    over = CommunityFactory(enterprise=actor.enterprise, status=CommunityStatus(status))

    with pytest.raises(CommunityIsOver):
        create_join_way(over, name="海报", source="poster", actor=actor)


def test_nothing_of_another_enterprise_can_be_tied_to_a_way(actor, community, way):
    with pytest.raises(BelongsElsewhere):
        create_join_way(CommunityFactory(), name="海报", source="poster", actor=actor)
    own = GroupChatFactory(community=community)
    with pytest.raises(InvalidRoute):
        set_routes(way.pk, routes=[{"chat": GroupChatFactory()}], actor=actor)
    with pytest.raises(BelongsElsewhere):
        set_routes(
            way.pk, routes=[{"chat": own, "region": ClassificationValueFactory()}], actor=actor
        )
    assert not way.routes.exists()


def test_edit_changes_name_and_source_and_records_both(actor, way):
    edit_join_way(way.pk, name="新名", source="store-1", actor=actor)

    way.refresh_from_db()
    assert (way.name, way.source) == ("新名", "store-1")
    event = AuditEvent.objects.get()
    assert event.before["source"] == "poster"
    assert event.after == {"name": "新名", "source": "store-1"}


def test_routes_are_replaced_as_a_whole(actor, way):
    first = JoinRouteFactory(join_way=way).chat
    second, third = GroupChatFactory.create_batch(2, community=way.community)

    set_routes(way.pk, routes=[{"chat": second, "weight": 0}, {"chat": third}], actor=actor)

    assert list(way.routes.order_by("pk").values_list("chat", "weight")) == [
        (second.pk, 0),
        (third.pk, 1),
    ]
    event = AuditEvent.objects.get()
    assert [route["chat"]["id"] for route in event.before["routes"]] == [first.pk]
    set_routes(way.pk, routes=[], actor=actor)
    assert not way.routes.exists()


def test_a_route_needs_a_live_chat_of_this_community_once_and_a_sensible_weight(actor, way):
    elsewhere = GroupChatFactory(community__enterprise=actor.enterprise)
    gone = GroupChatFactory(community=way.community, state=ChatState.DISSOLVED)
    good = GroupChatFactory(community=way.community)
    unassigned = GroupChatFactory(community=None, enterprise=actor.enterprise)

    for routes in (
        [{"chat": elsewhere}],
        [{"chat": gone}],
        [{"chat": unassigned}],
        [{"chat": good}, {"chat": good}],
        [{"chat": good, "weight": -1}],
        [{"chat": good, "weight": 1001}],
    ):
        with pytest.raises(InvalidRoute):
            set_routes(way.pk, routes=routes, actor=actor)
    assert not way.routes.exists()
    assert not AuditEvent.objects.exists()


def test_a_way_can_rest_and_go_on(actor, way):
    pause_join_way(way.pk, actor=actor)
    pause_join_way(way.pk, actor=actor)
    assert JoinWay.objects.get().state == JoinWayState.PAUSED
    resume_join_way(way.pk, actor=actor)

    assert JoinWay.objects.get().state == JoinWayState.ACTIVE
    verbs = AuditEvent.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["pause_join_way", "resume_join_way"]


def test_a_closed_way_never_lives_again(actor, way):
    close_join_way(way.pk, actor=actor)

    assert close_join_way(way.pk, actor=actor).state == JoinWayState.CLOSED
    chat = GroupChatFactory(community=way.community)
    for verb, arguments in (
        (resume_join_way, {}),
        (pause_join_way, {}),
        (edit_join_way, {"name": "新名"}),
        (set_routes, {"routes": [{"chat": chat}]}),
    ):
        with pytest.raises(JoinWayIsClosed):
            verb(way.pk, actor=actor, **arguments)
    assert JoinWay.objects.get().state == JoinWayState.CLOSED


def test_a_way_is_found_by_its_code_however_it_is_typed(way, django_assert_num_queries):
    assert join_way_by_code(way.code.upper()) == way
    assert join_way_by_code("zzzzzzz") is None
    with django_assert_num_queries(0):
        assert join_way_by_code("no code") is None
    with django_assert_num_queries(1):
        assert join_way_by_code(way.code).community.name


def test_the_code_of_a_way_is_unique_among_all_enterprises(way):
    with pytest.raises(Exception, match="code") as breach, connection.cursor():
        JoinWayFactory(code=way.code)
    assert "unique" in str(breach.value)
