"""How much the made-up customer lets itself say."""

from __future__ import annotations

from datetime import time

from campaigns.models import SendPolicy
from campaigns.rules.guarding import CapWindow
from campaigns.rules.status import BroadcastTarget
from campaigns.services.caps import create_cap
from campaigns.services.send_policies import create_send_policy, edit_send_policy
from communities.rules.kinds import ContentCategory
from communities.services.founding import edit_community
from scrm.demo.founding import Founded

QUIET = time(21, 30), time(8)
CAPS = (
    (BroadcastTarget.MEMBERS, "", CapWindow.WEEK, 3),
    (BroadcastTarget.MEMBERS, "", CapWindow.MONTH, 8),
    (BroadcastTarget.MEMBERS, ContentCategory.ADVERT, CapWindow.WEEK, 1),
    (BroadcastTarget.CHATS, "", CapWindow.DAY, 2),
)
#: What the best customers were promised: no advertising.
FOR_VIPS = [
    ContentCategory.SERVICE,
    ContentCategory.BENEFIT,
    ContentCategory.KNOWLEDGE,
    ContentCategory.UGC,
]
ADVERTS_AT_MOST = 20  # percent


def restrain(founded: Founded) -> int:
    create_send_policy(actor=founded.admin, margin_percent=35)
    for target, category, window, limit in CAPS:
        create_cap(
            actor=founded.admin, target=target, category=category, window=window, limit=limit
        )
    vip, golden = founded.communities["vip"], founded.communities["golden"]
    edit_community(vip.pk, actor=founded.admin, allowed_categories=[str(one) for one in FOR_VIPS])
    edit_community(golden.pk, actor=founded.admin, advert_share_limit=ADVERTS_AT_MOST)
    return len(CAPS)


def keep_the_nights_quiet(founded: Founded) -> None:
    """After the past was sent, which may be made up at night."""
    policy = SendPolicy.objects.get(enterprise=founded.enterprise)
    edit_send_policy(policy.pk, actor=founded.admin, quiet_from=QUIET[0], quiet_until=QUIET[1])
