"""Telling the members of a branch about their new community: a draft, to be approved like any
other broadcast."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import ChannelIsOff
from campaigns.models import Broadcast
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from campaigns.selectors.accounts import account_of
from campaigns.services.composing import create_broadcast
from communities.models import Community, SplitBranch
from communities.rules.kinds import ContentCategory
from members.rules.splitting import IN_COMMUNITY
from members.services.starting_splits import criterion_of
from scrm.accounts.models import User
from scrm.shared.criteria import AllOf, Clause, Criterion, Operator
from scrm.wecom.models import ChannelAccount

MAX_NAME = 120


@transaction.atomic
def draft_split_broadcast(branch_id: int, *, actor: User) -> Broadcast:
    """One draft for a branch, to its people who are not in the new community yet.

    Called again it gives the one that exists, unless that was cancelled.
    """
    branch = SplitBranch.objects.select_related("plan__community", "child").get(pk=branch_id)
    parent, child = branch.plan.community, branch.child
    if child is None:
        raise ValueError(f"The branch {branch_id} has no community to invite into.")
    former = branch.broadcasts.exclude(status=BroadcastStatus.CANCELLED).first()
    if former is not None:
        return former
    return create_broadcast(
        actor=actor,
        name=(_("拆群邀请：%(name)s") % {"name": child.name})[:MAX_NAME],
        category=ContentCategory.SERVICE,
        body=_body(parent, child),
        target=BroadcastTarget.MEMBERS,
        communities=[parent],
        criterion=_not_there_yet(branch, child),
        channel_account=_channel_of(parent),
        split_branch=branch,
    )


def _not_there_yet(branch: SplitBranch, child: Community) -> Criterion:
    wanted = criterion_of(branch).root
    outside = Clause(IN_COMMUNITY, Operator.IS_NOT, child.code)
    return Criterion(AllOf((*(wanted.parts if isinstance(wanted, AllOf) else ()), outside)))


def _body(parent: Community, child: Community) -> str:
    facts = {
        "parent": _plain(parent.name),
        "child": _plain(child.name),
        "audience": _plain(child.audience_statement),
        "url": f"{settings.PUBLIC_URL}/join/{child.join_slug}",
    }
    return (
        _(
            "{{昵称}}，你好！“%(parent)s”的朋友越来越多，我们为%(audience)s单独建了“%(child)s”，"
            "大家聊得更近。点这里加入：%(url)s"
        )
        % facts
    )


def _plain(text: str) -> str:
    """Without braces, which would be read as variables."""
    return text.replace("{", "（").replace("}", "）")


def _channel_of(parent: Community) -> ChannelAccount:
    account = account_of(parent)
    if account is None:
        raise ChannelIsOff(_("还没有启用的渠道账号，无法起草邀请，请先启用一个。"))
    return account
