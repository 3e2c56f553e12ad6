from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from scrm.accounts.models import ApiKey
from scrm.shared.api.pagination import Column, Cursor, KeysetPagination, columns_of
from tests.accounts.factories import ApiKeyFactory, UserFactory

START = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS = ("created_at", "expires_at", "name", "last_used_at")
ORDERINGS = [
    ("-pk",),
    ("id",),
    ("name",),
    ("-name",),
    ("expires_at",),
    ("-expires_at",),
    ("name", "-created_at"),
    ("-expires_at", "name"),
    ("expires_at", "-last_used_at", "-name"),
    ("-created_at", "-name"),
    ("-user__username", "created_at"),
]


def many_keys(count, *, offset=0):
    """Rows with five names, three instants and every combination of NULLs among them."""
    user = UserFactory()
    return ApiKey.objects.bulk_create(
        ApiKey(
            enterprise=user.enterprise,
            user=user,
            name=f"key-{n % 5}",
            prefix="scrm_",
            digest=f"{offset + n:064d}",
            scopes=[],
            created_at=START + timedelta(hours=n % 3),
            expires_at=None if n % 4 == 0 else START + timedelta(days=n % 7),
            last_used_at=None if n % 3 else START + timedelta(microseconds=n % 11),
        )
        for n in range(count)
    )


def page(queryset, ordering, url="http://testserver/keys/?page_size=97"):
    view = SimpleNamespace(ordering=ordering, ordering_fields=FIELDS)
    request = Request(APIRequestFactory().get(url))
    paginator = KeysetPagination()
    rows = paginator.paginate_queryset(queryset, request, view)
    return paginator.get_paginated_response([row.pk for row in rows]).data


def walk(queryset, ordering, *, between=None):
    data = page(queryset, ordering)
    pages = [data]
    while data["next"]:
        assert data["has_more"]
        if between:
            between()
        data = page(queryset, ordering, data["next"])
        pages.append(data)
        assert len(pages) < 100, "the walk does not end"
    assert not data["has_more"]
    return pages


def ids(pages):
    return [pk for data in pages for pk in data["results"]]


def expected(queryset, ordering):
    columns = columns_of(ApiKey, ordering)
    ordered = queryset.order_by(*(column.order_by() for column in columns))
    assert ordered.totally_ordered
    return list(ordered.values_list("pk", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("ordering", ORDERINGS, ids=",".join)
def test_a_walk_sees_every_row_once_forward_and_backward(ordering):
    many_keys(2000)
    everything = ApiKey.objects.all()

    forward = walk(everything, ordering)

    assert ids(forward) == expected(everything, ordering)
    data, backward = forward[-1], [forward[-1]]
    while data["previous"]:
        data = page(everything, ordering, data["previous"])
        assert data["has_more"]
        backward.insert(0, data)
    assert [data["results"] for data in backward] == [data["results"] for data in forward]


@pytest.mark.django_db
@pytest.mark.parametrize("ordering", ORDERINGS, ids=",".join)
def test_rows_that_arrive_or_go_during_a_walk_neither_hide_nor_repeat_the_others(ordering):
    original = many_keys(600)
    goner = iter(original[300:310])
    rounds = iter(range(1000))

    def change():
        many_keys(15, offset=10_000 + 100 * next(rounds))
        if victim := next(goner, None):
            victim.delete()

    seen = ids(walk(ApiKey.objects.all(), ordering, between=change))

    assert len(seen) == len(set(seen))
    kept = {key.pk for key in original if key not in original[300:310]}
    assert kept <= set(seen)


@pytest.mark.django_db
def test_the_page_after_the_last_row_leads_back_to_it():
    keys = many_keys(3)
    last = page(ApiKey.objects.all(), ("pk",), "http://testserver/keys/?page_size=2")
    keys[2].delete()

    beyond = page(ApiKey.objects.all(), ("pk",), last["next"])

    assert (beyond["results"], beyond["next"], beyond["has_more"]) == ([], None, False)
    assert page(ApiKey.objects.all(), ("pk",), beyond["previous"])["results"] == last["results"]


@pytest.mark.django_db
def test_an_empty_list_is_one_page():
    data = page(ApiKey.objects.all(), ("name",))

    assert data == {"results": [], "next": None, "previous": None, "has_more": False}


@pytest.mark.django_db
def test_a_page_holds_what_was_asked_for_up_to_the_maximum():
    many_keys(250)
    everything = ApiKey.objects.all()

    assert len(page(everything, ("pk",), "http://testserver/")["results"]) == 50
    assert len(page(everything, ("pk",), "http://testserver/?page_size=7")["results"]) == 7
    assert (
        len(page(everything, ("pk",), "http://testserver/?page_size=1000000000")["results"]) == 200
    )


@pytest.mark.django_db
def test_a_client_chooses_among_the_declared_orderings():
    many_keys(20)

    data = page(ApiKey.objects.all(), ("pk",), "http://testserver/?ordering=-expires_at,name")

    assert data["results"] == expected(ApiKey.objects.all(), ("-expires_at", "name"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cursor=nonsense", "invalid_cursor"),
        ("cursor=%00", "invalid_cursor"),
        ("cursor=W10:abc", "invalid_cursor"),
        ("page_size=0", "invalid_page_size"),
        ("page_size=-1", "invalid_page_size"),
        ("page_size=abc", "invalid_page_size"),
        ("page_size=%D9%A1", "invalid_page_size"),
        ("page_size=%00", "invalid_page_size"),
        ("ordering=digest", "invalid_ordering"),
        ("ordering=name,user__password", "invalid_ordering"),
        ("ordering=--name", "invalid_ordering"),
        ("ordering=%00", "invalid_ordering"),
    ],
)
def test_a_page_that_cannot_be_cut_is_refused(query, code):
    with pytest.raises(ValidationError) as refusal:
        page(ApiKey.objects.all(), ("pk",), f"http://testserver/?{query}")

    (error,) = refusal.value.detail.values()
    assert error.code == code


@pytest.mark.django_db
def test_a_cursor_belongs_to_its_ordering_and_cannot_be_forged():
    many_keys(5)
    link = page(ApiKey.objects.all(), ("name",), "http://testserver/?page_size=2")["next"]
    cursor = dict(parse_qsl(urlsplit(link).query))["cursor"]

    for forged in (cursor[:-1], cursor[1:], "x" + cursor):
        with pytest.raises(ValidationError):
            page(ApiKey.objects.all(), ("name",), f"http://testserver/?cursor={forged}")
    with pytest.raises(ValidationError):
        page(ApiKey.objects.all(), ("-name",), f"http://testserver/?cursor={cursor}")


@pytest.mark.django_db
def test_an_ordering_of_one_direction_is_one_row_comparison(django_assert_num_queries):
    ApiKeyFactory.create_batch(3)
    first = page(ApiKey.objects.all(), ("created_at", "id"), "http://testserver/?page_size=1")

    with django_assert_num_queries(1) as captured:
        page(ApiKey.objects.all(), ("created_at", "id"), first["next"])

    assert '("accounts_apikey"."created_at", "accounts_apikey"."id") > (' in captured[0]["sql"]


def test_the_primary_key_ends_every_ordering_in_the_direction_of_its_last_column():
    assert columns_of(ApiKey, ("-pk",)) == [Column("id", descending=True, nullable=False)]
    assert columns_of(ApiKey, ("name",))[-1] == Column("id", descending=False, nullable=False)
    assert columns_of(ApiKey, ("-expires_at",)) == [
        Column("expires_at", descending=True, nullable=True),
        Column("id", descending=True, nullable=False),
    ]


def test_a_cursor_gives_back_the_values_it_was_made_of():
    values = (None, 7, "中文", True, START, START.date())
    cursor = Cursor("x", backward=True, inclusive=False, values=values)

    assert Cursor.decode(cursor.encode(), ordering="x", width=6) == cursor
