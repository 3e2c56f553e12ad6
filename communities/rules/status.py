"""The life of a community and of a chat: which moves exist."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class CommunityStatus(TextChoices):
    DRAFT = "draft", _("草稿")
    RECRUITING = "recruiting", _("招募中")
    WARMING = "warming", _("预热中")
    ACTIVE = "active", _("运营中")
    PAUSED = "paused", _("已暂停")
    CLOSING = "closing", _("收尾中")
    DISSOLVED = "dissolved", _("已解散")
    ARCHIVED = "archived", _("已归档")
    CANCELLED = "cancelled", _("已取消")


COMMUNITY_MOVES: dict[str, frozenset[CommunityStatus]] = {
    CommunityStatus.DRAFT: frozenset({CommunityStatus.RECRUITING, CommunityStatus.CANCELLED}),
    CommunityStatus.RECRUITING: frozenset({CommunityStatus.WARMING}),
    CommunityStatus.WARMING: frozenset({CommunityStatus.ACTIVE}),
    CommunityStatus.ACTIVE: frozenset({CommunityStatus.PAUSED, CommunityStatus.CLOSING}),
    CommunityStatus.PAUSED: frozenset({CommunityStatus.ACTIVE}),
    CommunityStatus.CLOSING: frozenset({CommunityStatus.DISSOLVED}),
    CommunityStatus.DISSOLVED: frozenset({CommunityStatus.ARCHIVED}),
}

#: A community takes new members in these states.
OPEN_FOR_ENTRY = frozenset(
    {CommunityStatus.RECRUITING, CommunityStatus.WARMING, CommunityStatus.ACTIVE}
)


class ChatState(TextChoices):
    ACTIVE = "active", _("正常")
    FULL = "full", _("已满")
    TRANSFERRING = "transferring", _("转让中")
    DISSOLVED = "dissolved", _("已解散")


class ChatPlatformStatus(TextChoices):
    """What the platform's list of groups says about the owner of a chat."""

    NORMAL = "normal", _("正常")
    OWNER_RESIGNED = "owner_resigned", _("群主已离职，待继承")
    INHERITING = "inheriting", _("继承中")
    INHERITED = "inherited", _("已继承")


def may_become(current: str, target: str) -> bool:
    """Whether a community may move from one status to the other."""
    return target in COMMUNITY_MOVES.get(current, frozenset())


def moves_from(current: str) -> list[CommunityStatus]:
    """Where a community may go from here, in the order of its life."""
    return [status for status in CommunityStatus if may_become(current, status)]


class JoinWayState(TextChoices):
    ACTIVE = "active", _("启用")
    PAUSED = "paused", _("暂停")
    CLOSED = "closed", _("停用")


class SplitStatus(TextChoices):
    DRAFT = "draft", _("草稿")
    RUNNING = "running", _("进行中")
    COMPLETED = "completed", _("已完成")
    CANCELLED = "cancelled", _("已取消")


SPLIT_MOVES: dict[str, frozenset[SplitStatus]] = {
    SplitStatus.DRAFT: frozenset({SplitStatus.RUNNING, SplitStatus.CANCELLED}),
    SplitStatus.RUNNING: frozenset({SplitStatus.COMPLETED, SplitStatus.CANCELLED}),
}

#: A community that lives can be split; a draft has nobody in it, and what ends is not grown.
MAY_BE_SPLIT = OPEN_FOR_ENTRY | {CommunityStatus.PAUSED}


def split_may_become(current: str, target: str) -> bool:
    """Whether a split plan may move from one status to the other."""
    return target in SPLIT_MOVES.get(current, frozenset())
