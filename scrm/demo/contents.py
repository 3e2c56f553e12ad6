"""What the made-up customer says to its members."""

from __future__ import annotations

from dataclasses import dataclass, field

from campaigns.rules.contents import AuthorKind, ContentStatus
from campaigns.rules.status import BroadcastTarget, MisfirePolicy
from communities.rules.kinds import ContentCategory
from scrm.demo.world import Json, clause


@dataclass(frozen=True)
class Content:
    name: str
    category: str
    body: str
    target: str = BroadcastTarget.MEMBERS
    criterion: Json = field(default_factory=dict)
    override_reason: str = ""
    cost_amount: int = 0
    misfire_policy: str = MisfirePolicy.RUN_LATE


DONE = Content(
    "双十一囤粮清单",
    ContentCategory.BENEFIT,
    "{{昵称}}你好，{{社群}}的囤粮清单整理好了：按体重算好了三个月的量，附领券入口。"
    "不需要的话回复“不用啦”，我们就不再打扰。",
    cost_amount=120_000,
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
    override_reason="同一周的第二次通知：这是大家报名过的直播。",
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
    Content(
        "鲜肉粮上新",
        ContentCategory.BRAND,
        "{{昵称}}，冻干鲜肉粮到货：肉含量、钙磷比都写在包装上，店员说是今年口碑第一的一款。",
        override_reason="“口碑第一”引自 2026 年 10 月本店会员问卷（1,204 份），原件存在内容部。",
    ),
)
#: To everybody: one colleague has approved it, another still has to.
EVERYBODY = Content(
    "会员服务时间调整",
    ContentCategory.BRAND,
    "{{昵称}}，从下月起在线兽医的时间改为每天 10:00—21:00，急诊电话不变。",
    override_reason="7 天内第二次全员通知：服务时间变了，每位会员都要知道。",
)
DRAFT = Content(
    "VIP 新品共创会",
    ContentCategory.UGC,
    "{{昵称}}，诚邀你参加下月的新品共创会，聊聊你家毛孩子最想要的那款零食。",
)

# --- stopped by the quit breaker ---

REPELLING = Content(
    "拼团邀请",
    ContentCategory.ADVERT,
    "{{昵称}}，三人成团，宠物零食礼盒立减 30 元，今晚 10 点截止，再不来就没有了！",
    cost_amount=60_000,
)

# --- again and again ---

WEEKLY = Content(
    "每周兽医问答预告",
    ContentCategory.KNOWLEDGE,
    "【{{社群}}】本周兽医问答开始收集问题啦：写清年龄、体重、症状，附一张照片，周末统一回答。",
    target=BroadcastTarget.CHATS,
    misfire_policy=MisfirePolicy.ASK,
)
GREETING = Content(
    "传统节日问候",
    ContentCategory.BRAND,
    "{{昵称}}，节日快乐！客厅里的巧克力、葡萄干和粽叶请收好，毛孩子误食了马上联系值班兽医。",
)
BIRTHDAY = Content(
    "生日祝福",
    ContentCategory.BENEFIT,
    "{{昵称}}，生日快乐！给你和毛孩子各留了一份小礼物，到店或下单时报手机号就能领。",
)

# --- compared ---

RUNNING_TRIAL = Content(
    "减重打卡提醒",
    ContentCategory.UGC,
    "{{昵称}}，今天称体重了吗？到{{社群}}打卡，坚持四周有营养师点评。",
)
OTHER_REMINDER = "{{昵称}}，{{社群}}里已经有三成毛孩子开始减重，今晚晒出体重，看看你家排第几。"

ENDED_TRIAL = Content(
    "冬季囤粮：两种说法",
    ContentCategory.BENEFIT,
    "{{昵称}}，冬季囤粮开始了，满 299 元减 40 元，点开看看适合你家的那一款。",
    cost_amount=180_000,
)
BY_WEIGHT = "{{昵称}}，按你家毛孩子的体重，这个冬天大约要吃 12 公斤。点开就能看到算好的搭配。"


# --- the library ---


@dataclass(frozen=True)
class Piece:
    """A content of the library and how far it has come. ``returned``: why its first version went
    back to its author."""

    title: str
    category: str
    brief: str
    bodies: tuple[str, ...] = ()
    status: str = ContentStatus.TOPIC
    author_kind: str = AuthorKind.STAFF
    returned: str = ""


MEASURED = Piece(
    "冬季囤粮",
    ContentCategory.BENEFIT,
    "给买过主粮的会员；看点击和 72 小时内的下单。",
    (ENDED_TRIAL.body,),
    ContentStatus.PUBLISHED,
)
MEASURED_LEARNT = "说“按体重算好”比说“满减”点的人多：下一版把算好的搭配放在第一句，优惠放最后。"
INVITATION = Piece(
    "同城遛弯预告",
    ContentCategory.EVENT,
    "给各城市的群；写清时间、地点和要带什么。",
    (
        "【{{社群}}】周末遛弯，欢迎参加。",
        TO_CHATS.body,
    ),
    ContentStatus.PUBLISHED,
    returned="没有写时间，也没有提醒带牵引绳。",
)
PIECES = (
    Piece(
        "遛狗防走失清单",
        ContentCategory.KNOWLEDGE,
        "给第一年养狗的人；年底鞭炮多，走失也多。",
        author_kind=AuthorKind.CREATOR,
    ),
    Piece(
        "冬季皮肤护理三步",
        ContentCategory.KNOWLEDGE,
        "给短毛犬和无毛猫的家长；不推产品。",
        ("{{昵称}}，冬天洗澡拉长到三周一次；洗完吹干再出门；脚垫每晚擦一次保湿膏。",),
        ContentStatus.DRAFTING,
    ),
    Piece(
        "老客带新体验装",
        ContentCategory.BENEFIT,
        "给买过三次以上的会员；不用分享到朋友圈。",
        ("{{昵称}}，送朋友一份体验装：填地址就寄，不用转发。",),
        ContentStatus.REVIEW,
    ),
    INVITATION,
    MEASURED,
    Piece(
        "夏季防暑提醒",
        ContentCategory.SERVICE,
        "给所有人；三伏前后。",
        ("{{昵称}}，午后地面温度会超过 50℃，请改在早晚遛弯，随身带水。",),
        ContentStatus.RETIRED,
    ),
)

# --- group plans ---

PLAN = "新群七天"
OPENING = ("发群规则并置顶", "@ 前 10 位成员打招呼", "核对群公告里的客服电话")
FIRST_WEEK = ("统计打卡人数", "私聊三位还没说过话的成员", "把好照片存进素材库")
WARM_UP = "【{{社群}}】晒宠时间：发一张毛孩子的照片，说说它的名字怎么来的。"
LOOK_BACK = "【{{社群}}】一周啦！接龙说说最想在群里聊的话题，下周按得票排活动。"
