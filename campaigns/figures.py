"""What campaigns knows of a community: how much of what it is told is advertising."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from campaigns.selectors.advert_share import advert_figures
from communities.metrics import COMMUNITY_METRICS
from scrm.shared.figures import Better, FigureDefinition, FigureUnit

TOLD = _("群发记录与员工发言")
SENT = _("群发记录")

DEFINITIONS = [
    FigureDefinition(
        name="advert_share",
        label=_("广告占比（按条数）"),
        unit=FigureUnit.SHARE,
        source=TOLD,
        definition=_(
            "近 7 天对这个社群发的消息里广告有多少：广告条数 ÷ 全部非成员消息"
            "（群发加员工自己的发言）。超过 30% 提示，超过 60% 为红；正好 60% 不算。"
        ),
        better=Better.DOWN,
    ),
    FigureDefinition(
        name="advert_share_characters",
        label=_("广告占比（按字数）"),
        unit=FigureUnit.SHARE,
        source=SENT,
        definition=_("近 7 天群发的字数里广告占多少；员工自己的发言不知道字数，不在内。"),
        better=Better.DOWN,
    ),
    FigureDefinition(
        name="advert_share_reach",
        label=_("广告占比（按人次）"),
        unit=FigureUnit.SHARE,
        source=SENT,
        definition=_("近 7 天群发的触达人次里广告占多少：每条按送达人数计，员工发言不在内。"),
        better=Better.DOWN,
    ),
]


def register_figures() -> None:
    """Make them known beside those of the apps below."""
    COMMUNITY_METRICS.register_together(DEFINITIONS, advert_figures)
