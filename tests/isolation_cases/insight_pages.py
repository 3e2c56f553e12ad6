"""The part of the cases that is about the days of communities and the pages made of them."""

from datetime import date

from members.models import CommunityDay
from tests.isolation import Call


def build(world):
    community = world.rows["community"]
    world.rows["day of community"] = CommunityDay.objects.create(
        enterprise=world.enterprise,
        community=community,
        day=date(2026, 2, 27),
        member_count_start=1,
        joined_count=1,
        left_count=0,
        member_count_end=2,
        is_measured=True,
    )


def community_of(world):
    return {"object_id": world["community"].pk}


ADMIN = {"members.communityday": "day of community"}

ADMIN_URLS = {
    "members_communityday_compare": Call(),
    "members_communityday_insight": Call(kwargs=community_of),
}
