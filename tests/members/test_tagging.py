import pytest

from members.errors import CodeTaken
from members.models import Member, MemberTag
from members.services import tagging
from members.services.tagging import create_tag, rename_tag, tag_members, untag_members
from members.signals import tags_swept
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.members.factories import MemberFactory
from tests.members.standing_factories import MemberTagFactory, TagFactory


@pytest.fixture
def tag():
    return TagFactory()


@pytest.fixture
def actor(tag):
    return UserFactory(enterprise=tag.enterprise)


@pytest.fixture
def heard():
    found = []

    def hear(sender, signal, tag_id, member_ids):
        found.append((tag_id, member_ids))

    tags_swept.connect(hear)
    yield found
    tags_swept.disconnect(hear)


def wearers(tag):
    rows = MemberTag.objects.current().filter(tag=tag).order_by("member")
    return [row.member for row in rows]


@pytest.mark.django_db
def test_tags_are_made_and_renamed(actor):
    tag = create_tag(code="gold", name="金牌", actor=actor)
    TagFactory(code="silver")

    rename_tag(tag.pk, name="黄金", actor=actor)
    rename_tag(tag.pk, name="黄金", actor=actor)

    tag.refresh_from_db()
    assert (tag.enterprise, tag.code, tag.name) == (actor.enterprise, "gold", "黄金")
    assert AuditEvent.objects.count() == 2
    with pytest.raises(CodeTaken):
        create_tag(code="gold", name="再来", actor=actor)
    assert create_tag(code="silver", name="银牌", actor=actor).pk


@pytest.mark.django_db
def test_a_tag_is_put_on_once_and_by_whom(tag, actor, heard):
    first = MemberFactory(enterprise=tag.enterprise)
    second = MemberTagFactory(tag=tag).member

    assert tag_members(tag.pk, members=Member.objects.all(), actor=actor) == 1
    assert tag_members(tag.pk, members=Member.objects.all(), actor=actor) == 0

    assert wearers(tag) == [first, second]
    assert MemberTag.objects.get(member=first).added_by == actor
    assert heard == [(tag.pk, [first.pk])]
    assert AuditEvent.objects.get().after == {"member_count": 1}


@pytest.mark.django_db
def test_members_of_another_enterprise_are_left_alone(tag, actor):
    MemberFactory()

    assert tag_members(tag.pk, members=Member.objects.all(), actor=actor) == 0

    assert wearers(tag) == []


@pytest.mark.django_db
def test_a_tag_taken_off_stays_on_record_and_can_be_put_on_again(tag, actor, heard):
    worn = MemberTagFactory(tag=tag)
    other = MemberTagFactory(tag=tag)
    one = Member.objects.filter(pk=worn.member_id)

    assert untag_members(tag.pk, members=one, actor=actor) == 1
    assert untag_members(tag.pk, members=one, actor=actor) == 0
    assert wearers(tag) == [other.member]
    worn.refresh_from_db()
    assert worn.removed_at is not None
    assert tag_members(tag.pk, members=one, actor=actor) == 1

    assert wearers(tag) == [worn.member, other.member]
    assert heard == [(tag.pk, [worn.member_id])] * 2


@pytest.mark.django_db
def test_very_many_members_are_tagged_span_by_span(tag, actor, heard, monkeypatch):
    monkeypatch.setattr(tagging, "SPAN", 2)
    members = [MemberFactory(enterprise=tag.enterprise) for _ in range(5)]

    assert tag_members(tag.pk, members=Member.objects.order_by("-pk"), actor=actor) == 5

    assert wearers(tag) == members
    assert [len(ids) for _tag, ids in heard] == [2, 2, 1]
