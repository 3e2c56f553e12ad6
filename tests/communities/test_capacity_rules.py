import pytest

from communities.models import GroupChat
from communities.rules.capacity import forecast, is_nearly_full
from tests.communities.factories import GroupChatFactory


@pytest.mark.parametrize(
    ("people", "capacity", "expected"),
    [(0, 0, True), (0, 5, False), (4, 5, True), (5, 7, False), (6, 7, True), (399, 500, False)],
)  # fmt: skip
@pytest.mark.django_db
def test_nearly_full_begins_at_four_fifths_in_words_and_in_the_database(people, capacity, expected):
    GroupChatFactory(member_count=people, capacity=capacity)

    assert is_nearly_full(people, capacity) is expected
    assert GroupChat.objects.crowded().exists() is expected


def test_the_days_left_follow_from_the_growth():
    found = forecast(room=100, joins=140, quits=0, days=14)

    assert found.days == pytest.approx(10)
    assert found.earliest == pytest.approx(100 / (10 + 1.96 * 140**0.5 / 14))
    assert found.latest == pytest.approx(100 / (10 - 1.96 * 140**0.5 / 14))
    assert found.earliest < found.days < found.latest


def test_who_leaves_makes_room_and_makes_the_range_wider():
    calm, busy = (
        forecast(room=100, joins=140, quits=0, days=14),
        forecast(room=100, joins=240, quits=100, days=14),
    )

    assert busy.days == calm.days
    assert busy.earliest < calm.earliest
    assert busy.latest > calm.latest


def test_a_weak_trend_may_as_well_never_fill_it():
    assert forecast(room=100, joins=12, quits=10, days=14).latest is None


@pytest.mark.parametrize(("joins", "quits"), [(0, 0), (9, 0), (20, 20), (20, 30)])
def test_there_is_no_forecast_from_few_joins_or_without_growth(joins, quits):
    assert forecast(room=100, joins=joins, quits=quits) is None


def test_a_full_one_is_full_now():
    found = forecast(room=0, joins=50, quits=0)

    assert (found.earliest, found.days, found.latest) == (0, 0, 0)
