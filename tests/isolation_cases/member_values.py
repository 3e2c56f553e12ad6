"""The part of members' cases that is about what members are worth."""

from tests.isolation import Call
from tests.members.value_factories import MemberValueFactory, ValueCellFactory


def build(world):
    world.rows["member value"] = MemberValueFactory(member=world.rows["member"])
    world.rows["value cell"] = ValueCellFactory(
        enterprise=world.enterprise, community=world.rows["community"]
    )


API = {
    "member-value-list": {"get": Call()},
    "value-matrix": {"get": Call()},
}

ADMIN = {"members.membervalue": "member value"}

ADMIN_URLS = {"members_membervalue_matrix": Call()}
