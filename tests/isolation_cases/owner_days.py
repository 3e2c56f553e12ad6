"""The part of members' cases that is about what the platform counted."""

from datetime import date

from communities.models import OwnerDay
from tests.isolation import Call


def build(world):
    world.rows["owner day"] = OwnerDay.objects.create(
        enterprise=world.enterprise,
        connection=world.rows["wecom connection"],
        userid=f"{world.mark}-owner",
        staff=world.rows["staff"],
        day=date(2026, 3, 1),
        chat_count=3,
    )


API = {"platform-statistic-list": {"get": Call()}}

ADMIN = {"communities.ownerday": "owner day"}
