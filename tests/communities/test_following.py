"""/j/CODE as people meet it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connections
from django.test import Client

from communities.models import GroupChat, JoinWayDay
from communities.rules.kinds import EntryMode
from communities.rules.routing import RoutingTable
from communities.rules.status import ChatState, CommunityStatus, JoinWayState
from communities.services.counting_scans import SCANS
from communities.services.routing_tables import TABLES, TableCache, load_table
from scrm.accounts.models import Enterprise
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationValueFactory,
    CommunityFactory,
    EntryPolicyFactory,
    GroupChatFactory,
    JoinRouteFactory,
    JoinWayFactory,
    TierFactory,
)

CHAT = "https://work.weixin.qq.com/gm/1"


@pytest.fixture(autouse=True)
def _empty_memory():
    yield
    TABLES.forget()
    SCANS.forget()


@pytest.fixture
def way(db):
    way = JoinWayFactory(community__join_slug="cats")
    GroupChatFactory(community=way.community, join_url=CHAT)
    return way


def follow(client, way, **arguments):
    return client.get(f"/j/{getattr(way, 'code', way)}", **arguments)


def changed(row, **values):
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    TABLES.forget()
    return row


# --- where it leads -----------------------------------------------------------------------------


def test_a_scan_is_led_into_a_chat_of_an_open_community(client, way):
    answer = follow(client, way)

    assert (answer.status_code, answer["Location"]) == (302, CHAT)
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert not answer.cookies


def test_capitals_and_a_last_slash_do_not_matter(client, way):
    assert follow(client, way.code.upper())["Location"] == CHAT
    assert follow(client, way.code + "/")["Location"] == CHAT


def test_a_gated_community_is_entered_by_its_join_page(client, way):
    policy = way.community.entry_policies.get()
    changed(
        policy, mode=EntryMode.RULE, criterion={"metric": "purchase_count", "op": "gte", "value": 1}
    )

    assert follow(client, way)["Location"] == f"/join/cats?via={way.code}"


def test_a_community_with_a_least_tier_is_gated_even_in_open_mode(client, way):
    changed(way.community, minimum_tier=TierFactory(scheme__enterprise=way.enterprise))

    assert follow(client, way)["Location"].startswith("/join/cats?")


def test_a_community_that_asks_for_a_photo_is_gated_even_in_open_mode(client, way):
    axis = ClassificationAxisFactory(enterprise=way.enterprise)
    way.community.entry_policies.get().evidence_axes.add(axis)

    assert follow(client, way)["Location"].startswith("/join/cats?")


def test_a_community_without_a_policy_is_not_open(client, way):
    way.community.entry_policies.all().delete()

    assert follow(client, way)["Location"].startswith("/join/cats?")


def test_only_the_policy_in_force_counts(client, way):
    way.community.entry_policies.update(is_active=False)
    EntryPolicyFactory(community=way.community, mode=EntryMode.INVITE_ONLY, version=2000)

    assert follow(client, way)["Location"].startswith("/join/cats?")


def test_when_all_chats_are_full_people_queue_on_the_join_page(client, way):
    GroupChat.objects.update(capacity=5, member_count=5, state=ChatState.FULL)

    assert follow(client, way)["Location"] == f"/join/cats?via={way.code}"


def test_routes_decide_and_chats_that_left_the_community_do_not(client, way):
    routed = JoinRouteFactory(join_way=way, chat__join_url="https://chat.example/routed")
    stray = JoinRouteFactory(join_way=way, chat__join_url="https://chat.example/stray", weight=999)
    changed(stray.chat, community=CommunityFactory(enterprise=way.enterprise))

    assert {follow(client, way)["Location"] for _ in range(20)} == {routed.chat.join_url}


def test_a_link_may_ask_for_a_region_and_a_wider_one_serves_it(client, way):
    east = ClassificationValueFactory(axis__enterprise=way.enterprise, code="east")
    ClassificationValueFactory(axis=east.axis, code="hangzhou", parent=east)
    JoinRouteFactory(join_way=way, chat__join_url="https://chat.example/east", region=east)
    JoinRouteFactory(join_way=way, chat__join_url="https://chat.example/all")

    assert follow(client, f"{way.code}?region=hangzhou")["Location"].endswith("/east")
    assert follow(client, f"{way.code}?region=nowhere")["Location"].endswith("/all")
    assert follow(client, way)["Location"].endswith("/all")


def test_no_parameter_leads_elsewhere(client, way):
    for query in ("next=https://evil.example", "url=//evil.example", "region=https://evil.example"):
        assert follow(client, f"{way.code}?{query}")["Location"] == CHAT


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://files.example", "weixin://x", "//evil.example"]
)
def test_only_web_addresses_are_followed(client, way, url):
    GroupChat.objects.update(join_url=url)

    assert follow(client, way)["Location"] == f"/join/cats?via={way.code}"


# --- what people read otherwise -----------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["zzzzzzz", "short", "waytoolong", "%00abcdef", "猫猫猫猫猫猫猫", "abc'def"]
)
def test_an_unknown_code_is_a_page_in_words(client, way, code):
    answer = follow(client, code)

    assert answer.status_code == 404
    assert "没有这个入群码" in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


def test_what_cannot_be_a_code_costs_no_query(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        follow(client, "not-a-code")


def test_a_closed_way_and_a_dissolved_community_say_so(client, way):
    changed(way, state=JoinWayState.CLOSED)
    answer = follow(client, way)
    assert (answer.status_code, "已停用" in answer.content.decode()) == (410, True)

    changed(way, state=JoinWayState.ACTIVE)
    changed(way.community, status=CommunityStatus.DISSOLVED)
    assert follow(client, way).status_code == 410


def test_a_paused_way_asks_to_come_again(client, way):
    changed(way, state=JoinWayState.PAUSED)

    answer = follow(client, way)

    assert answer.status_code == 200
    assert "暂时不能入群" in answer.content.decode()
    assert "'unsafe-inline'" in answer["Content-Security-Policy"]
    assert "script" not in answer["Content-Security-Policy"]


def test_a_head_request_is_answered_without_a_body(client, way):
    answer = client.head(f"/j/{way.code}")

    assert (answer.status_code, answer["Location"], answer.content) == (302, CHAT, b"")
    assert client.post(f"/j/{way.code}").status_code == 405


# --- the cache ----------------------------------------------------------------------------------


def test_a_second_scan_costs_no_query(client, way, django_assert_num_queries):
    with django_assert_num_queries(1):
        follow(client, way)
    with django_assert_num_queries(0):
        for _ in range(10):
            assert follow(client, way)["Location"] == CHAT


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def table_of(state):
    return RoutingTable(1, state, "active", True, "/join/cats", "Asia/Shanghai")


def test_a_table_is_read_again_after_a_second():
    clock, states = Clock(), iter(["active", "paused"])
    cache = TableCache(lambda code: table_of(next(states)), clock=clock)

    assert cache.table("abcdefg").state == "active"
    clock.now += 0.9
    assert cache.table("abcdefg").state == "active"
    clock.now += 0.2
    assert cache.table("abcdefg").state == "paused"


def test_an_unknown_code_is_remembered_for_a_second_too():
    clock, asked = Clock(), []
    cache = TableCache(lambda code: asked.append(code), clock=clock)

    assert [cache.table("abcdefg") for _ in range(5)] == [None] * 5
    assert asked == ["abcdefg"]


def test_memory_is_bounded_and_keeps_what_is_in_use():
    clock = Clock()
    cache = TableCache(lambda code: table_of("active"), clock=clock, kept=10)
    for number in range(50):
        clock.now += 1.1
        cache.table("popular")
        cache.table(f"rare-{number}")

    assert len(cache.tables) == 10
    assert "popular" in cache.tables


def test_a_burst_on_a_fresh_process_reads_once():
    asked, together, may_answer = [], Barrier(16), Event()

    def slow(code):
        asked.append(code)
        may_answer.wait(5)
        return table_of("active")

    cache = TableCache(slow)

    def scan():
        together.wait()
        return cache.table("abcdefg")

    with ThreadPoolExecutor(16) as pool:
        scans = [pool.submit(scan) for _ in range(16)]
        may_answer.set()
        found = [each.result(timeout=10) for each in scans]

    assert asked == ["abcdefg"]
    assert {each.state for each in found} == {"active"}


def test_while_one_reads_the_others_use_a_table_under_two_seconds_old_and_none_beyond():
    clock, reading, may_answer = Clock(), Event(), Event()
    states = iter(["active", "paused"])

    def load(code):
        state = next(states)
        if state == "paused":
            reading.set()
            assert may_answer.wait(5)
        return table_of(state)

    cache = TableCache(load, clock=clock)
    cache.table("abcdefg")
    clock.now += 1.5
    with ThreadPoolExecutor(2) as pool:
        reader = pool.submit(cache.table, "abcdefg")
        assert reading.wait(5)
        assert cache.table("abcdefg").state == "active"
        clock.now += 0.6
        late = pool.submit(cache.table, "abcdefg")
        may_answer.set()
        assert reader.result(5).state == late.result(5).state == "paused"


def test_while_the_database_is_away_the_last_table_serves():
    clock, answers = Clock(), iter([table_of("active")])

    def load(code):
        try:
            return next(answers)
        except StopIteration:
            raise DatabaseError("away") from None

    cache = TableCache(load, clock=clock)
    cache.table("abcdefg")

    clock.now += 100
    assert cache.table("abcdefg").state == "active"
    clock.now += 301
    with pytest.raises(DatabaseError):
        cache.table("abcdefg")
    with pytest.raises(DatabaseError):
        cache.table("unknown")


def test_a_database_that_is_away_from_the_start_is_a_page_that_asks_to_come_again(client, way):
    def away(code):
        raise DatabaseError("away")

    with patch.object(TABLES, "load", away):
        answer = follow(client, way)

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "请稍后再试" in answer.content.decode()


def test_a_chat_that_became_full_is_noticed_at_the_next_reading(way):
    assert len(load_table(way.code).candidates) == 1
    GroupChat.objects.update(member_count=500, state=ChatState.FULL)
    assert load_table(way.code).candidates == ()


# --- counting -----------------------------------------------------------------------------------


def counted(way):
    SCANS.flush()
    return dict(JoinWayDay.objects.filter(join_way=way).values_list("day", "scan_count"))


def test_scans_are_counted_on_the_local_day_of_the_enterprise(client, way, time_machine):
    time_machine.move_to("2026-03-01T15:59:59Z")  # a second before midnight in Shanghai
    follow(client, way)
    time_machine.move_to("2026-03-01T16:00:00Z")
    follow(client, way)
    follow(client, way)

    assert {str(day): count for day, count in counted(way).items()} == {
        "2026-03-01": 1,
        "2026-03-02": 2,
    }


def test_another_zone_has_another_day(client, way, time_machine):
    Enterprise.objects.update(time_zone="America/New_York")
    time_machine.move_to("2026-03-01T02:00:00Z")
    follow(client, way)

    assert [str(day) for day in counted(way)] == ["2026-02-28"]


def test_robots_prefetches_heads_and_closed_ways_are_no_scans(client, way):
    client.head(f"/j/{way.code}")
    follow(client, way, headers={"purpose": "prefetch"})
    follow(client, way, headers={"sec-purpose": "prefetch;prerender"})
    follow(client, way, headers={"user-agent": "Googlebot/2.1"})
    follow(client, "zzzzzzz")
    changed(way, state=JoinWayState.CLOSED)
    follow(client, way)

    assert counted(way) == {}


def test_who_scans_a_paused_way_or_a_full_one_is_counted(client, way):
    changed(way, state=JoinWayState.PAUSED)
    follow(client, way)
    changed(way, state=JoinWayState.ACTIVE)
    GroupChat.objects.update(member_count=500)
    follow(client, way)

    assert list(counted(way).values()) == [2]


def test_counts_add_up_over_many_writes(client, way):
    other = JoinWayFactory()
    for _ in range(3):
        follow(client, way)
        follow(client, other)
        SCANS.flush()
    SCANS.flush()

    assert list(counted(way).values()) == list(counted(other).values()) == [3]


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_written_is_kept_and_written_once_later(client):
    way = JoinWayFactory()
    follow(client, way)
    with connections["default"].execute_wrapper(refusing_inserts), pytest.raises(DatabaseError):
        SCANS.flush()
    follow(client, way)

    assert list(counted(way).values()) == [2]
    assert list(counted(way).values()) == [2]


def refusing_inserts(execute, sql, params, many, context):
    if sql.lstrip().startswith("INSERT"):
        raise DatabaseError("away")
    return execute(sql, params, many, context)


@pytest.mark.django_db(transaction=True)
def test_an_answer_lost_after_the_commit_counts_nothing_twice():
    way = JoinWayFactory()
    Client().get(f"/j/{way.code}")
    connection = connections["default"]
    commit = connection._commit

    def commit_and_lose_the_answer():
        commit()
        raise DatabaseError("the connection broke")

    connection._commit = commit_and_lose_the_answer
    try:
        with pytest.raises(DatabaseError):
            SCANS.flush()
    finally:
        connection._commit = commit
    Client().get(f"/j/{way.code}")

    assert list(counted(way).values()) == [2]


@pytest.mark.django_db(transaction=True)
def test_a_burst_of_scans_from_many_threads_is_counted_to_the_last_one():
    way = JoinWayFactory()
    GroupChatFactory(community=way.community, join_url=CHAT)
    together = Barrier(8)

    def scan(_):
        try:
            client = Client()
            together.wait()
            return [client.get(f"/j/{way.code}")["Location"] for _ in range(50)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        places = {place for found in pool.map(scan, range(8)) for place in found}

    assert places == {CHAT}
    assert list(counted(way).values()) == [400]


@pytest.mark.django_db(transaction=True)
def test_a_process_writes_by_itself_every_second(settings, client):
    settings.SCAN_WRITE_SECONDS = 0.05
    way = JoinWayFactory()
    follow(client, way)

    writer = SCANS.writer
    try:
        for _ in range(100):
            if JoinWayDay.objects.filter(join_way=way, scan_count=1).exists():
                break
            Event().wait(0.05)
        else:
            pytest.fail("nothing was written")
        follow(client, way)
        writer = SCANS.writer
    finally:
        SCANS.stop()
        writer.join(5)
        SCANS.writer = None
        SCANS.stopping.clear()

    assert JoinWayDay.objects.get(join_way=way).scan_count == 2
