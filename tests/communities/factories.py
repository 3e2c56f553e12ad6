from __future__ import annotations

from django.db import transaction
from factory import (
    LazyFunction,
    RelatedFactory,
    SelfAttribute,
    Sequence,
    SubFactory,
    Trait,
    post_generation,
)
from factory.django import DjangoModelFactory

from communities.models import (
    ClassificationAxis,
    ClassificationRule,
    ClassificationValue,
    Community,
    EntryPolicy,
    GroupChat,
    JoinRoute,
    JoinWay,
    JoinWayDay,
    Tier,
    TierScheme,
)
from communities.rules.join_ways import new_code
from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from communities.services.ownership.owning import own_new_chats
from tests.accounts.factories import EnterpriseFactory, StaffFactory
from tests.wecom.factories import ChannelAccountFactory


class ClassificationAxisFactory(DjangoModelFactory):
    class Meta:
        model = ClassificationAxis

    enterprise = SubFactory(EnterpriseFactory)
    code = Sequence(lambda n: f"axis-{n}")
    name = Sequence(lambda n: f"维度{n}")


class ClassificationValueFactory(DjangoModelFactory):
    class Meta:
        model = ClassificationValue

    axis = SubFactory(ClassificationAxisFactory)
    code = Sequence(lambda n: f"value-{n}")
    name = Sequence(lambda n: f"值{n}")


class ClassificationRuleFactory(DjangoModelFactory):
    class Meta:
        model = ClassificationRule

    value = SubFactory(ClassificationValueFactory)
    criterion = {"metric": "purchase_count", "op": "gte", "value": 1}


class TierSchemeFactory(DjangoModelFactory):
    class Meta:
        model = TierScheme

    enterprise = SubFactory(EnterpriseFactory)
    name = Sequence(lambda n: f"方案{n}")


class TierFactory(DjangoModelFactory):
    class Meta:
        model = Tier

    scheme = SubFactory(TierSchemeFactory)
    rank = Sequence(lambda n: n + 1)
    name = Sequence(lambda n: f"层级{n}")


class EntryPolicyFactory(DjangoModelFactory):
    class Meta:
        model = EntryPolicy

    community = SubFactory("tests.communities.factories.CommunityFactory", policy=None)
    version = Sequence(lambda n: n + 1)
    mode = EntryMode.OPEN
    is_active = True


class CommunityFactory(DjangoModelFactory):
    """A running community that admits everybody. ``draft=True`` is a bare draft without policy."""

    class Meta:
        model = Community
        skip_postgeneration_save = True

    class Params:
        draft = Trait(
            status=CommunityStatus.DRAFT,
            audience_statement="",
            purpose_statement="",
            owner=None,
            policy=None,
        )

    enterprise = SubFactory(EnterpriseFactory)
    code = Sequence(lambda n: f"community-{n}")
    name = Sequence(lambda n: f"社群{n}")
    audience_statement = "养猫的人"
    purpose_statement = "互相帮忙照看"
    owner = SubFactory(StaffFactory, enterprise=SelfAttribute("..enterprise"))
    status = CommunityStatus.ACTIVE
    policy = RelatedFactory(EntryPolicyFactory, factory_related_name="community")

    @post_generation
    def values(self, create, extracted, **_kwargs):
        if extracted:
            self.classification_values.set(extracted)


class GroupChatFactory(DjangoModelFactory):
    """A chat of a running community. ``community=None`` with an enterprise is an unassigned one."""

    class Meta:
        model = GroupChat

    class Params:
        unassigned = Trait(community=None, enterprise=SubFactory(EnterpriseFactory))

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    channel_account = SubFactory(ChannelAccountFactory, enterprise=SelfAttribute("..enterprise"))
    external_id = Sequence(lambda n: f"chat-{n}")
    name = Sequence(lambda n: f"群{n}")

    @classmethod
    @transaction.atomic
    def _create(cls, model_class, *args, **kwargs):
        chat = super()._create(model_class, *args, **kwargs)
        own_new_chats([chat])
        return chat


class JoinWayFactory(DjangoModelFactory):
    """An active way of a running community, without routes: it leads to all of its chats."""

    class Meta:
        model = JoinWay

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    code = LazyFunction(new_code)
    name = Sequence(lambda n: f"海报{n}")
    source = "poster"


class JoinRouteFactory(DjangoModelFactory):
    class Meta:
        model = JoinRoute

    join_way = SubFactory(JoinWayFactory)
    chat = SubFactory(GroupChatFactory, community=SelfAttribute("..join_way.community"))


class JoinWayDayFactory(DjangoModelFactory):
    class Meta:
        model = JoinWayDay

    join_way = SubFactory(JoinWayFactory)
