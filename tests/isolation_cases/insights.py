"""The part of members' cases that is about what is known of communities."""

from datetime import date

from members.models import CommunityDay
from tests.isolation import Call


def build(world):
    world.rows["community day"] = CommunityDay.objects.create(
        enterprise=world.enterprise,
        community=world.rows["community"],
        day=date(2026, 3, 1),
        member_count_start=1,
        joined_count=0,
        left_count=0,
        member_count_end=1,
        is_measured=False,
    )


API = {
    "community-metrics": {"get": Call()},
    "community-day-list": {"get": Call()},
    "community-insight": {"get": Call(row="community")},
    "community-insight-heat-map": {"get": Call(row="community")},
    "community-insight-retention": {"get": Call(row="community")},
    "community-insight-paths": {"get": Call(row="community")},
    "community-insight-health": {"get": Call(row="community")},
}
