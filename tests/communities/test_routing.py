import random
from collections import Counter
from itertools import product

import pytest

from communities.rules.join_ways import ALPHABET, CODE_LENGTH, is_code, is_scan, new_code
from communities.rules.routing import Candidate, NoEntry, RoutingTable, choose_chat, destination
from communities.rules.status import OPEN_FOR_ENTRY, CommunityStatus, JoinWayState

SHANGHAI, EAST = frozenset({"shanghai"}), frozenset({"east", "shanghai", "hangzhou"})


def chat(number, *, room=1, weight=1, regions=frozenset(), url=""):
    return Candidate(number, room, weight, regions, url)


def chosen(candidates, *, region="", numbers=(0.0, 0.25, 0.5, 0.75, 0.999999)):
    """Every chat that some random number leads to."""
    found = {choose_chat(candidates, number=number, region=region) for number in numbers}
    return {each.chat_id if each else None for each in found}


def test_without_a_chat_or_without_room_there_is_none():
    assert chosen([]) == {None}
    assert chosen([chat(1, room=0), chat(2, room=0, weight=5)]) == {None}


def test_a_full_chat_is_passed_over_whatever_its_weight():
    assert chosen([chat(1, room=0, weight=100), chat(2)]) == {2}


def test_the_region_asked_for_comes_first_then_chats_for_everybody_then_any():
    near, other = chat(1, regions=SHANGHAI), chat(2, regions=frozenset({"beijing"}))
    everybody = chat(3)

    assert chosen([near, other, everybody], region="shanghai") == {1}
    assert chosen([other, everybody], region="shanghai") == {3}
    assert chosen([other], region="shanghai") == {2}


def test_without_a_region_asked_chats_for_everybody_come_first():
    assert chosen([chat(1, regions=SHANGHAI), chat(2)]) == {2}
    assert chosen([chat(1, regions=SHANGHAI), chat(2, room=0)]) == {1}


def test_a_city_is_served_by_the_chat_of_its_wider_region():
    assert chosen([chat(1, regions=EAST), chat(2)], region="hangzhou") == {1}


def test_a_region_nobody_knows_is_no_region():
    assert chosen([chat(1, regions=SHANGHAI), chat(2)], region="atlantis") == {2}


def test_weight_zero_comes_in_only_when_its_weightier_companions_are_full():
    assert chosen([chat(1), chat(2, weight=0)]) == {1}
    assert chosen([chat(1, room=0), chat(2, weight=0)]) == {2}
    assert chosen([chat(1, weight=0), chat(2, weight=0)]) == {1, 2}


def test_every_choice_of_small_cases_obeys_the_order_of_preference():
    """Exhaustive over three chats, each with or without room, weight 0 to 2 and two regions."""
    kinds = list(product((0, 1), (0, 1, 2), (frozenset(), SHANGHAI)))
    for triple in product(kinds, repeat=3):
        chats = [
            chat(n, room=room, weight=weight, regions=regions)
            for n, (room, weight, regions) in enumerate(triple)
        ]
        for region in ("", "shanghai"):
            found = choose_chat(chats, number=0.4, region=region)
            with_room = [each for each in chats if each.room]
            if not with_room:
                assert found is None
                continue
            wanted = [each for each in with_room if bool(each.regions) == bool(region)]
            pool = wanted or [each for each in with_room if not each.regions] or with_room
            assert found in pool
            assert found.weight > 0 or all(each.weight == 0 for each in pool)


def test_the_same_number_gives_the_same_chat():
    chats = [chat(n, weight=n) for n in range(1, 6)]

    assert [choose_chat(chats, number=n / 100) for n in range(100)] == [
        choose_chat(chats, number=n / 100) for n in range(100)
    ]


def test_the_last_chat_takes_the_number_just_below_one():
    assert choose_chat([chat(1, weight=3), chat(2, weight=7)], number=0.9999999999999999) == chat(
        2, weight=7
    )


def test_scans_spread_by_weight():
    dice = random.Random(7)
    chats = [chat(1, weight=1), chat(2, weight=3), chat(3, weight=6), chat(4, weight=0)]

    found = Counter(choose_chat(chats, number=dice.random()).chat_id for _ in range(20_000))

    shares = {number: found[number] / 20_000 for number in (1, 2, 3, 4)}
    assert shares == pytest.approx({1: 0.1, 2: 0.3, 3: 0.6, 4: 0}, abs=0.015)


# --- where a scan leads -------------------------------------------------------------------------


def table(**changes):
    facts = {
        "way_id": 1,
        "state": JoinWayState.ACTIVE,
        "community_status": CommunityStatus.ACTIVE,
        "is_ungated": True,
        "join_page": "/join/cats?via=abc",
        "time_zone": "Asia/Shanghai",
        "candidates": (chat(1, url="https://chat.example/1"),),
    }
    return RoutingTable(**{**facts, **changes})


def led(**changes):
    return destination(table(**changes), number=0.5)


def test_an_open_community_leads_straight_into_the_chat():
    assert led() == "https://chat.example/1"


@pytest.mark.parametrize(
    "changes",
    [
        {"is_ungated": False},
        {"candidates": ()},
        {"candidates": (chat(1, room=0, url="https://chat.example/1"),)},
        {"candidates": (chat(1),)},
    ],
    ids=["gated", "no chat", "full", "no link"],
)
def test_everybody_else_is_led_to_the_join_page(changes):
    assert led(**changes) == "/join/cats?via=abc"


@pytest.mark.parametrize("status", CommunityStatus)
def test_a_community_that_takes_nobody_leads_nowhere(status):
    found = led(community_status=status)

    assert isinstance(found, NoEntry) == (status not in OPEN_FOR_ENTRY)


def test_a_paused_way_may_come_back_and_a_closed_one_does_not():
    assert led(state=JoinWayState.PAUSED) is NoEntry.PAUSED
    assert led(state=JoinWayState.CLOSED) is NoEntry.CLOSED
    assert led(state=JoinWayState.CLOSED, community_status=CommunityStatus.PAUSED) is NoEntry.CLOSED
    assert led(community_status=CommunityStatus.DISSOLVED) is NoEntry.CLOSED


# --- codes and scans ----------------------------------------------------------------------------


def test_codes_are_short_unlike_each_other_and_free_of_look_alikes():
    codes = {new_code() for _ in range(2000)}

    assert len(codes) == 2000
    assert {len(code) for code in codes} == {CODE_LENGTH}
    assert not set("0o1il") & set(ALPHABET)
    assert set("".join(codes)) == set(ALPHABET)


@pytest.mark.parametrize(
    "text", ["", "abc", "abcdefgh", "abcde0f", "ABCDEFG", "abcdef\n", "٣٣٣٣٣٣٣"]
)
def test_what_cannot_be_a_code_is_recognised(text):
    assert not is_code(text)
    assert is_code("abcdefg")


WECHAT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit MicroMessenger/8.0.50"


@pytest.mark.parametrize(
    ("method", "purpose", "agent", "counts"),
    [
        ("GET", "", WECHAT, True),
        ("GET", "", "", True),
        ("HEAD", "", WECHAT, False),
        ("GET", "prefetch", WECHAT, False),
        ("GET", "prefetch;prerender", WECHAT, False),
        ("GET", "", "Mozilla/5.0 (compatible; Baiduspider/2.0)", False),
        ("GET", "", "Googlebot/2.1", False),
        ("GET", "", "curl/8.5", False),
        ("GET", "", "Mozilla/5.0 (Linux; Android 14; CUBOT X90) MicroMessenger/8", True),
    ],
)
def test_only_a_persons_get_is_a_scan(method, purpose, agent, counts):
    assert is_scan(method=method, purpose=purpose, agent=agent) is counts
