from __future__ import annotations

from factory import SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from members.models import Consent, MemberClassification, MemberTag, Tag
from members.rules.standing import ClassificationSource, ConsentDecision, ConsentPurpose
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import ClassificationValueFactory
from tests.members.factories import MemberFactory


class MemberClassificationFactory(DjangoModelFactory):
    """A member classified by a colleague, until further notice."""

    class Meta:
        model = MemberClassification

    value = SubFactory(ClassificationValueFactory)
    enterprise = SelfAttribute("value.axis.enterprise")
    member = SubFactory(MemberFactory, enterprise=SelfAttribute("..enterprise"))
    source = ClassificationSource.OPERATOR


class TagFactory(DjangoModelFactory):
    class Meta:
        model = Tag

    enterprise = SubFactory(EnterpriseFactory)
    code = Sequence(lambda n: f"tag-{n}")
    name = Sequence(lambda n: f"标签{n}")


class MemberTagFactory(DjangoModelFactory):
    class Meta:
        model = MemberTag

    tag = SubFactory(TagFactory)
    member = SubFactory(MemberFactory, enterprise=SelfAttribute("..tag.enterprise"))


class ConsentFactory(DjangoModelFactory):
    class Meta:
        model = Consent

    member = SubFactory(MemberFactory)
    purpose = ConsentPurpose.BROADCAST
    decision = ConsentDecision.GRANTED
    text_version = "2026-11"
    source = "form"
