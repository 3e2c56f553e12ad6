from __future__ import annotations

from factory import Sequence, SubFactory
from factory.django import DjangoModelFactory

from scrm.wecom.models import ChannelAccount, ChannelKind
from tests.accounts.factories import EnterpriseFactory


class ChannelAccountFactory(DjangoModelFactory):
    """A sandbox."""

    class Meta:
        model = ChannelAccount

    enterprise = SubFactory(EnterpriseFactory)
    name = Sequence(lambda n: f"渠道{n}")
    kind = ChannelKind.SANDBOX
