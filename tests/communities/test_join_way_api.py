import io

import pytest
from PIL import Image
from rest_framework.test import APIClient

from communities.models import JoinWay
from communities.rules.join_ways import is_code
from communities.rules.qr_codes import QUIET_ZONE, as_png, as_svg, qr_code
from communities.rules.status import ChatState, JoinWayState
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import DataScope, Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    GroupChatFactory,
    JoinRouteFactory,
    JoinWayFactory,
)

pytestmark = pytest.mark.django_db

URL = "/api/v1/join-ways/"


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def community(user):
    return CommunityFactory(enterprise=user.enterprise)


@pytest.fixture
def way(community):
    return JoinWayFactory(community=community)


def test_create_answers_with_the_link_to_print(api, user, community, settings):
    settings.PUBLIC_URL = "https://q.example"
    chat = GroupChatFactory(community=community)
    region = ClassificationValueFactory(axis__enterprise=user.enterprise, name="华东")

    answer = api.post(
        URL,
        {
            "community": community.pk,
            "name": "海报",
            "source": "poster-1",
            "routes": [{"chat": chat.pk, "weight": 0, "region": region.pk}],
        },
    )

    assert answer.status_code == 201
    assert is_code(answer.data["code"])
    assert answer.data["link"] == f"https://q.example/j/{answer.data['code']}"
    assert answer.data["created_by"] == user.pk
    assert answer.data["available_actions"] == ["edit", "routes", "pause", "close"]
    assert dict(answer.data["routes"][0]) == {
        "chat": chat.pk,
        "chat_name": chat.name,
        "weight": 0,
        "region": region.pk,
        "region_name": "华东",
        "member_count": 0,
        "capacity": 500,
    }


def test_a_way_is_renamed_but_neither_recoded_nor_moved(api, way, community):
    assert api.patch(f"{URL}{way.pk}/", {"name": "新名"}).data["name"] == "新名"
    for field, value in (("code", "abcdefg"), ("community", community.pk), ("state", "closed")):
        assert api.patch(f"{URL}{way.pk}/", {field: value}).status_code == 400


def test_routes_are_replaced_and_bad_ones_refused_with_their_reason(api, way):
    chat = GroupChatFactory(community=way.community)
    gone = GroupChatFactory(community=way.community, state=ChatState.DISSOLVED)

    answer = api.post(f"{URL}{way.pk}/routes/", {"routes": [{"chat": chat.pk}]})
    assert [route["weight"] for route in answer.data["routes"]] == [1]
    answer = api.post(f"{URL}{way.pk}/routes/", {"routes": [{"chat": gone.pk}]})
    assert answer.status_code == 400
    assert {"attr": "routes", "code": "invalid_route"}.items() <= dict(
        answer.data["errors"][0]
    ).items()
    answer = api.post(f"{URL}{way.pk}/routes/", {"routes": [{"chat": chat.pk, "wight": 1}]})
    assert answer.status_code == 400
    assert way.routes.get().chat == chat


def test_a_way_rests_goes_on_and_ends(api, way):
    assert api.post(f"{URL}{way.pk}/pause/").data["available_actions"][2] == "resume"
    assert api.post(f"{URL}{way.pk}/resume/").data["state"] == "active"
    closed = api.post(f"{URL}{way.pk}/close/").data
    assert (closed["state"], closed["available_actions"]) == ("closed", [])
    answer = api.post(f"{URL}{way.pk}/resume/")
    assert (answer.status_code, answer.data["code"]) == (409, "join_way_is_closed")


def test_the_list_is_filtered(api, way, community):
    other = JoinWayFactory(
        community__enterprise=community.enterprise,
        name="门店台卡",
        source="store",
        state=JoinWayState.PAUSED,
    )

    def listed(query):
        return [row["id"] for row in api.get(f"{URL}?{query}").data["results"]]

    assert listed("") == [other.pk, way.pk]
    assert listed(f"community={community.pk}") == [way.pk]
    assert listed("state=paused") == [other.pk]
    assert listed("source=store") == [other.pk]
    assert listed(f"code={way.code}") == [way.pk]
    assert listed("name=台卡") == [other.pk]
    assert api.get(f"{URL}?sauce=1").status_code == 400


def test_the_list_takes_as_many_queries_for_three_rows_as_for_one(
    api, community, django_assert_num_queries, django_assert_max_num_queries
):
    JoinRouteFactory(join_way__community=community)
    with django_assert_max_num_queries(10) as first:
        api.get(URL)
    for _ in range(2):
        route = JoinRouteFactory(join_way__community=community)
        JoinRouteFactory(join_way=route.join_way)
    with django_assert_num_queries(len(first)):
        assert len(api.get(URL).data["results"]) == 3


def test_of_strangers_and_of_communities_out_of_scope_nothing_is_seen(api, user, way):
    foreign = JoinWayFactory()
    for path in ("", "pause/", "qr.svg", "qr.png"):
        method = api.post if path == "pause/" else api.get
        assert method(f"{URL}{foreign.pk}/{path}").status_code == 404
    user.data_scope, user.staff = (
        DataScope.OWN_COMMUNITIES,
        StaffFactory(enterprise=user.enterprise),
    )
    user.save()
    assert api.get(URL).data["results"] == []


def test_who_may_only_read_changes_nothing(way):
    reader = UserFactory(enterprise=way.enterprise, role=Role.READ_ONLY)
    api = APIClient()
    api.force_authenticate(reader)

    assert api.get(f"{URL}{way.pk}/").data["available_actions"] == []
    assert api.get(f"{URL}{way.pk}/qr.png").status_code == 200
    for verb in ("pause", "close", "routes"):
        assert api.post(f"{URL}{way.pk}/{verb}/", {}).status_code == 403
    assert JoinWay.objects.get().state == JoinWayState.ACTIVE
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://x.example/a", "x.example", "//x.example"]
)
def test_a_chat_takes_only_web_addresses_as_its_join_link(api, community, url):
    chat = GroupChatFactory(community=community)

    answer = api.patch(f"/api/v1/group-chats/{chat.pk}/", {"join_url": url})
    assert (answer.status_code, answer.data["errors"][0]["attr"]) == (400, "join_url")
    good = "https://work.weixin.qq.com/gm/1"
    answer = api.patch(f"/api/v1/group-chats/{chat.pk}/", {"join_url": good})
    assert answer.data["join_url"] == good
    assert api.patch(f"/api/v1/group-chats/{chat.pk}/", {"join_url": ""}).data["join_url"] == ""


# --- QR codes -----------------------------------------------------------------------------------


def modules_of(png):
    """The picture as rows of dark and light modules, without its quiet zone."""
    image = Image.open(io.BytesIO(png)).convert("1")
    edge = next(x for x in range(image.width) if not image.getpixel((x, x)))
    scale = edge // QUIET_ZONE
    assert edge == scale * QUIET_ZONE
    side = image.width // scale - 2 * QUIET_ZONE
    middle = edge + scale // 2
    return tuple(
        bytes(not image.getpixel((middle + x * scale, middle + y * scale)) for x in range(side))
        for y in range(side)
    )


def test_the_picture_is_the_matrix_of_the_link_with_its_quiet_zone():
    link = "https://q.example/j/abcdefg"

    code = qr_code(link)
    assert code.error == "M"
    assert not code.is_micro
    assert modules_of(as_png(link, size=400)) == tuple(bytes(row) for row in code.matrix)


@pytest.mark.parametrize("size", [64, 300, 2048])
def test_a_png_is_as_large_as_whole_modules_allow(size):
    width = Image.open(io.BytesIO(as_png("https://q.example/j/abcdefg", size=size))).width

    assert size - 37 < width <= size


def test_an_svg_has_the_size_asked_for_and_a_white_ground():
    drawing = as_svg("https://q.example/j/abcdefg", size=300).decode()

    assert drawing.startswith('<svg width="300" height="300" ')
    assert 'viewBox="0 0 ' in drawing
    assert 'fill="#fff"' in drawing
    assert "<script" not in drawing


def test_the_api_serves_both_pictures_of_the_absolute_link(api, way, settings):
    settings.PUBLIC_URL = "https://q.example"

    png = api.get(f"{URL}{way.pk}/qr.png?size=400", headers={"accept": "image/png"})
    svg = api.get(f"{URL}{way.pk}/qr.svg")

    assert (png.status_code, png["Content-Type"]) == (200, "image/png")
    assert png.content == as_png(f"https://q.example/j/{way.code}", size=400)
    assert svg["Content-Type"] == "image/svg+xml"
    assert svg.content == as_svg(f"https://q.example/j/{way.code}", size=512)
    assert f'filename="{way.code}.svg"' in svg["Content-Disposition"]


@pytest.mark.parametrize("query", ["size=63", "size=2049", "size=big", "sise=100"])
def test_a_size_that_cannot_be_is_refused(api, way, query):
    answer = api.get(f"{URL}{way.pk}/qr.png?{query}")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
