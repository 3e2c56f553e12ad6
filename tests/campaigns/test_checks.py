import pytest

from campaigns.models import Broadcast, CommunityPost, SendPolicy
from campaigns.rules.contents import ContentStatus
from campaigns.rules.designs import ArmDraft
from campaigns.selectors.checks import Level, checks_of, needs_override, standing_blocks
from campaigns.selectors.estimates import Estimate, Excluded
from scrm.shared.clock import database_now
from tests.campaigns.broadcasts import BroadcastFactory
from tests.campaigns.content_factories import MediaAssetFactory, PublishedVersionFactory
from tests.campaigns.experiments import experiment_on
from tests.communities.factories import CommunityFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db


def looked_at(broadcast, estimate=None):
    """code -> what was found, of all that is not fine."""
    checks = checks_of(broadcast, communities=list(broadcast.communities.all()), estimate=estimate)
    return {check.code: check for check in checks if check.level is not Level.OK}


def test_a_plain_message_passes_every_check():
    broadcast = BroadcastFactory()
    estimate = Estimate(recipient_count=3, will_send_count=3, eligible_count=10, share=0.3)

    checks = checks_of(broadcast, communities=list(broadcast.communities.all()), estimate=estimate)

    assert {check.code for check in checks} == {
        "ad_law",
        "channel",
        "communities",
        "audience",
        "full_blast",
    }
    assert {check.level for check in checks} == {Level.OK}


def test_a_broadcast_that_is_not_saved_is_looked_at_too():
    community = CommunityFactory()
    account = ChannelAccountFactory(enterprise=community.enterprise)
    draft = Broadcast(enterprise=community.enterprise, body="国家级好物", channel_account=account)

    found = checks_of(draft, communities=[community], estimate=Estimate(0))

    assert needs_override(found)
    assert standing_blocks(found) == []
    assert [check.code for check in found if check.level is Level.HINT] == ["audience"]


def test_every_text_that_people_read_is_judged():
    asset = MediaAssetFactory()
    broadcast = BroadcastFactory(
        enterprise=asset.enterprise,
        attachments=[{"kind": "link", "title": "稳赚不赔", "url": "https://example.com"}],
    )
    experiment_on(broadcast, arms=(ArmDraft("甲", body="顶级享受"), ArmDraft("乙")))

    found = checks_of(broadcast, communities=list(broadcast.communities.all()))

    blocks = [check for check in found if check.level is Level.BLOCK]
    assert {(check.details["place"], check.details["term"]) for check in blocks} == {
        ("attachments", "稳赚不赔"),
        ("arm_1", "顶级"),
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [("{{昵称}}{{社群}}", "只有变量"), ("{{昵称}}" * 30 + "好" * 600, "超过平台的")],
)
def test_a_text_that_becomes_nothing_or_too_much_for_some_is_told(body, words):
    assert words in looked_at(BroadcastFactory(body=body))["text"].words


def test_an_arm_too_cannot_differ_where_a_call_carries_one_text():
    account = ChannelAccountFactory(kind="wecom")
    broadcast = BroadcastFactory(
        enterprise=account.enterprise, channel_account=account, body="来自{{社群}}"
    )
    experiment_on(broadcast, arms=(ArmDraft("甲", body="你好，{{昵称}}"), ArmDraft("乙")))

    found = looked_at(broadcast)

    assert found["variables"].level is Level.BLOCK
    assert "确认才会发出" in found["channel"].words


def test_communities_that_do_not_allow_it_are_named_and_block_it_only_together():
    strict = CommunityFactory(allowed_categories=["service"], name="严格群")
    free = CommunityFactory(enterprise=strict.enterprise)
    home = {"enterprise": strict.enterprise, "category": "knowledge"}

    some = looked_at(BroadcastFactory(**home, communities=[strict, free]))
    every = looked_at(BroadcastFactory(**home, communities=[strict]))

    assert some["category_not_allowed"].level is Level.HINT
    assert "严格群" in some["category_not_allowed"].words
    assert every["category_not_allowed"].level is Level.BLOCK


def test_many_adverts_are_told_before_they_are_too_many():
    community = CommunityFactory(name="猫友会")
    home = {"enterprise": community.enterprise, "communities": [community]}
    for number in range(5):
        other = BroadcastFactory(**home)
        run = other.runs.create(planned_for=f"2026-01-0{number + 1}T00:00Z")
        category = "advert" if number < 2 else "service"
        CommunityPost.objects.create(community=community, run=run, category=category)

    found = looked_at(BroadcastFactory(**home, category="advert"))

    assert "advert_share" not in found  # 3 of 6 are not over 60 %
    assert "猫友会" in found["advert_share_near"].words
    assert "advert_share_near" not in looked_at(BroadcastFactory(**home, category="event"))


def test_quiet_hours_and_who_is_left_out_are_told():
    broadcast = BroadcastFactory(category="event")
    now = database_now().astimezone(broadcast.enterprise.zone)
    SendPolicy.objects.create(
        enterprise=broadcast.enterprise,
        quiet_from=now.replace(minute=0, second=0).time(),
        quiet_until=now.replace(hour=(now.hour + 2) % 24, minute=0, second=0).time(),
    )
    estimate = Estimate(recipient_count=5, excluded=[Excluded("no_consent", 5)])

    found = looked_at(broadcast, estimate)

    assert "免打扰时间" in found["quiet_hours"].words
    assert found["audience"].details["excluded"] == [
        {"reason": "no_consent", "words": "没有同意接收群发", "count": 5}
    ]


def test_the_library_tells_of_newer_versions_and_of_retired_contents():
    old = PublishedVersionFactory()
    newer = PublishedVersionFactory(content=old.content, number=2)
    broadcast = BroadcastFactory(enterprise=old.content.enterprise, content_version=old)
    assert looked_at(broadcast)["library"].level is Level.HINT

    broadcast.content_version = newer
    assert "library" not in looked_at(broadcast)

    newer.content.status = ContentStatus.RETIRED
    assert looked_at(broadcast)["library"].level is Level.BLOCK


def test_a_file_that_is_gone_and_a_channel_that_is_off_block():
    broadcast = BroadcastFactory(attachments=[{"kind": "image", "asset": 1}])
    broadcast.channel_account.is_active = False

    found = looked_at(broadcast)

    assert found["attachments"].level is found["channel"].level is Level.BLOCK
