"""What the made-up customer says to its members."""

from __future__ import annotations

from dataclasses import dataclass, field

from campaigns.rules.status import BroadcastTarget
from communities.rules.kinds import ContentCategory
from scrm.demo.world import Json, clause


@dataclass(frozen=True)
class Content:
    name: str
    category: str
    body: str
    target: str = BroadcastTarget.MEMBERS
    criterion: Json = field(default_factory=dict)


DONE = Content(
    "双十一囤粮清单",
    ContentCategory.BENEFIT,
    "{{昵称}}你好，{{社群}}的囤粮清单整理好了：按体重算好了三个月的量，附领券入口。"
    "不需要的话回复“不用啦”，我们就不再打扰。",
)
TO_CHATS = Content(
    "周末同城遛弯",
    ContentCategory.EVENT,
    "【{{社群}}】本周六下午 3 点同城遛弯，地点看群公告。带好牵引绳和拾便袋，新朋友也欢迎～",
    target=BroadcastTarget.CHATS,
)
HALFWAY = Content(
    "冬季毛发护理直播提醒",
    ContentCategory.KNOWLEDGE,
    "{{昵称}}，今晚 8 点兽医小夏讲冬季毛发护理，提前把问题发在群里，直播优先回答。",
)
COMING = Content(
    "大型犬关节体检预约",
    ContentCategory.SERVICE,
    "{{昵称}}，给毛孩子预约一次关节体检吧：5 岁以上的狗狗建议每年一次，{{社群}}成员免挂号费。",
)
LATER = Content(
    "新品减重粮试吃",
    ContentCategory.BENEFIT,
    "{{昵称}}，减重粮试吃装开放 50 份，体重超标的优先。报名请在群里打卡体重照片。",
)
WAITING = (
    Content(
        "猫咪绝育科普周",
        ContentCategory.KNOWLEDGE,
        "{{昵称}}，本周三场绝育科普：什么时候做、怎么护理、费用多少。想听哪一场？",
    ),
    Content(
        "老朋友回归礼",
        ContentCategory.BENEFIT,
        "{{昵称}}，好久没见你家毛孩子了！给你留了一份回归礼，三天内有效。",
        criterion=clause("days_since_active", "gte", 14),
    ),
)
DRAFT = Content(
    "VIP 新品共创会",
    ContentCategory.UGC,
    "{{昵称}}，诚邀你参加下月的新品共创会，聊聊你家毛孩子最想要的那款零食。",
)
