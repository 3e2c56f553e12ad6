from datetime import UTC

import pytest

from scrm.wecom.client import client_for
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db


@pytest.fixture
def simulated():
    found = simulated_corp()
    found.corp.add_staff("lin.qiao", "林乔")
    return found


def test_a_group_is_read_with_its_members(simulated):
    corp = simulated.corp
    customer = corp.add_customer("小舟🌊", staff="lin.qiao")
    chat_id = corp.create_group("lin.qiao", "会员交流群", members=[customer])
    with client_for(simulated.connection) as client:
        group = client.group(chat_id)
    assert (group.chat_id, group.name, group.owner) == (chat_id, "会员交流群", "lin.qiao")
    assert {each.id for each in group.members} == {"lin.qiao", customer}
    member = next(each for each in group.members if each.id == customer)
    assert (member.type, member.name) == (2, "小舟🌊")
    assert member.joined_at.tzinfo is UTC
