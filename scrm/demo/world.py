"""The made-up customer: 爪爪星球, a pet brand with communities by region and by breed.

Data only. Every name is invented, and no telephone number here can exist.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ENTERPRISE_NAME = "爪爪星球"
ENTERPRISE_SLUG = "zhuazhua"


@dataclass(frozen=True)
class DepartmentSpec:
    key: str
    name: str
    parent: str = ""


DEPARTMENTS = (
    DepartmentSpec("headquarters", "私域运营中心"),
    DepartmentSpec("communities", "社群运营部", "headquarters"),
    DepartmentSpec("east", "华东组", "communities"),
    DepartmentSpec("south", "华南组", "communities"),
    DepartmentSpec("north", "华北与西南组", "communities"),
    DepartmentSpec("members", "会员服务部", "headquarters"),
    DepartmentSpec("content", "内容与活动部", "headquarters"),
)


@dataclass(frozen=True)
class StaffSpec:
    key: str
    name: str
    department: str


STAFF = (
    StaffSpec("shen.zhixing", "沈知行", "headquarters"),
    StaffSpec("lin.xiaoman", "林小满", "east"),
    StaffSpec("gu.qiao", "顾乔", "east"),
    StaffSpec("chen.yuanyuan", "陈媛媛", "south"),
    StaffSpec("he.jiahao", "何嘉豪", "south"),
    StaffSpec("zhao.bei", "赵北", "north"),
    StaffSpec("luo.qingqing", "罗青青", "north"),
    StaffSpec("su.wan", "苏婉", "members"),
    StaffSpec("tang.yi", "唐弈", "members"),
    StaffSpec("xia.zhi", "夏栀", "content"),
)


@dataclass(frozen=True)
class UserSpec:
    username: str
    role: str
    data_scope: str
    staff: str = ""


ADMIN = UserSpec("admin", "administrator", "all", "shen.zhixing")
USERS = (
    UserSpec("yunying", "operator", "all", "xia.zhi"),
    UserSpec("huadong", "operator", "department_tree", "lin.xiaoman"),
    UserSpec("shenhe", "reviewer", "all", "su.wan"),
    UserSpec("fenxi", "analyst", "all"),
    UserSpec("zhidu", "read_only", "own_communities", "gu.qiao"),
)


@dataclass(frozen=True)
class ValueSpec:
    code: str
    name: str
    parent: str = ""


REGIONS = (
    ValueSpec("east", "华东"),
    ValueSpec("shanghai", "上海", "east"),
    ValueSpec("hangzhou", "杭州", "east"),
    ValueSpec("nanjing", "南京", "east"),
    ValueSpec("south", "华南"),
    ValueSpec("guangzhou", "广州", "south"),
    ValueSpec("shenzhen", "深圳", "south"),
    ValueSpec("north", "华北"),
    ValueSpec("beijing", "北京", "north"),
    ValueSpec("tianjin", "天津", "north"),
    ValueSpec("southwest", "西南"),
    ValueSpec("chengdu", "成都", "southwest"),
    ValueSpec("chongqing", "重庆", "southwest"),
)
BREEDS = (
    ValueSpec("dog", "狗狗"),
    ValueSpec("golden", "金毛", "dog"),
    ValueSpec("corgi", "柯基", "dog"),
    ValueSpec("poodle", "泰迪", "dog"),
    ValueSpec("collie", "边牧", "dog"),
    ValueSpec("cat", "猫猫"),
    ValueSpec("british", "英短", "cat"),
    ValueSpec("ragdoll", "布偶", "cat"),
    ValueSpec("american", "美短", "cat"),
    ValueSpec("orange", "橘猫", "cat"),
)


@dataclass(frozen=True)
class AxisSpec:
    code: str
    name: str
    values: tuple[ValueSpec, ...]
    is_exclusive: bool = False
    requires_evidence: bool = False
    evidence_valid_days: int | None = None


AXES = (
    AxisSpec("region", "地区", REGIONS, is_exclusive=True),
    AxisSpec("breed", "品种", BREEDS, requires_evidence=True, evidence_valid_days=730),
)

type Json = dict[str, object]


def clause(metric: str, op: str, value: int | str, window_days: int | None = None) -> Json:
    window = {} if window_days is None else {"window_days": window_days}
    return {"metric": metric, "op": op, "value": value, **window}


BUYERS = clause("purchase_count", "gte", 1, 365)
REGULARS: Json = {
    "all": [clause("purchase_count", "gte", 2, 180), clause("active_days", "gte", 8, 30)],
}
VIPS: Json = {
    "all": [clause("purchase_count", "gte", 3, 90), clause("post_count", "gte", 10, 90)],
}
TIER_SCHEME = ("loyalty", "铲屎官等级")
TIERS: tuple[tuple[int, str, Json], ...] = (
    (1, "新朋友", {}),
    (2, "铲屎官", BUYERS),
    (3, "资深铲屎官", REGULARS),
    (4, "星球 VIP", VIPS),
)
REGULAR_RANK = 3
OF_THE_PLANET = clause("in_community", "is", "planet")
IN_SHANGHAI_WITH_A_GOLDEN: Json = {
    "all": [
        clause("classified_as", "is", "region:shanghai"),
        clause("classified_as", "is", "breed:golden"),
    ],
}


@dataclass(frozen=True)
class CommunitySpec:
    """A community and who should find themselves in it."""

    code: str
    name: str
    who: str
    what: str
    owner: str
    parent: str = ""
    adviser: str = ""
    values: tuple[str, ...] = ()  # classification values, "axis:code"
    kind: str = "standard"
    circle: str = "lifestyle"
    status: str = "active"
    mode: str = "open"
    criterion: Json = field(default_factory=dict)
    evidence: tuple[str, ...] = ()  # axes of which a photo is asked for
    minimum_tier: int | None = None
    target_size: int = 500
    created_days_ago: int = 320
    share: float = 0.0  # of those whom the community is for
    chat_capacity: int = 200


COMMUNITIES = (
    CommunitySpec(
        "planet", "爪爪星球·全国铲屎官", "买过爪爪星球任一产品的养宠人", "晒宠、问答、领新品福利",
        owner="shen.zhixing", circle="core", target_size=800, created_days_ago=420, share=0.88,
        chat_capacity=300,
    ),
    CommunitySpec(
        "east", "华东毛孩子", "住在江浙沪的养宠人", "同城遛弯、寄养互助、门店活动",
        owner="lin.xiaoman", parent="planet", values=("region:east",), circle="city",
        mode="rule", criterion=OF_THE_PLANET, share=0.62,
    ),
    CommunitySpec(
        "south", "华南毛孩子", "住在两广的养宠人", "回南天护理、同城聚会",
        owner="chen.yuanyuan", parent="planet", values=("region:south",), circle="city",
        mode="rule", criterion=OF_THE_PLANET, share=0.58,
    ),
    CommunitySpec(
        "north", "华北毛孩子", "住在京津冀的养宠人", "冬季护理、城郊徒步",
        owner="zhao.bei", parent="planet", values=("region:north",), circle="city",
        mode="rule", criterion=OF_THE_PLANET, share=0.55,
    ),
    CommunitySpec(
        "southwest", "西南毛孩子", "住在川渝的养宠人", "宠物友好餐厅地图、周末露营",
        owner="luo.qingqing", parent="planet", values=("region:southwest",), circle="city",
        mode="rule", criterion=OF_THE_PLANET, share=0.52, created_days_ago=260,
    ),
    CommunitySpec(
        "golden", "金毛俱乐部", "家有金毛的人", "控重、拆家治理、游泳局",
        owner="gu.qiao", parent="planet", values=("breed:golden",),
        mode="rule", criterion=clause("classified_as", "is", "breed:golden"), evidence=("breed",),
        share=0.72,
    ),
    CommunitySpec(
        "corgi", "柯基小短腿联盟", "家有柯基的人", "护腰、减重打卡、屁股摄影",
        owner="he.jiahao", parent="planet", values=("breed:corgi",),
        mode="rule", criterion=clause("classified_as", "is", "breed:corgi"), evidence=("breed",),
        share=0.7,
    ),
    CommunitySpec(
        "british", "英短猫友会", "家有英短的人", "控粮、毛球护理、领养接力",
        owner="su.wan", adviser="shen.zhixing", parent="planet", values=("breed:british",),
        mode="rule", criterion=clause("classified_as", "is", "breed:british"), evidence=("breed",),
        share=0.7,
    ),
    CommunitySpec(
        "ragdoll", "布偶仙女会", "家有布偶的人", "玻璃胃喂养、梳毛打卡",
        owner="tang.yi", parent="planet", values=("breed:ragdoll",),
        mode="rule", criterion=clause("classified_as", "is", "breed:ragdoll"), evidence=("breed",),
        share=0.68,
        created_days_ago=210,
    ),
    CommunitySpec(
        "shanghai-golden", "上海金毛遛狗团", "住上海、家有金毛的人", "每周六滨江遛狗",
        owner="gu.qiao", parent="east", values=("region:shanghai", "breed:golden"), circle="city",
        mode="rule", criterion=IN_SHANGHAI_WITH_A_GOLDEN, share=0.8,
        target_size=120, created_days_ago=150, chat_capacity=100,
    ),
    CommunitySpec(
        "chengdu-british", "成都英短猫咖局", "住成都、家有英短的人", "每月一次猫咖见面",
        owner="luo.qingqing", parent="southwest", values=("region:chengdu", "breed:british"),
        circle="city", share=0.8, target_size=80, created_days_ago=120, chat_capacity=100,
    ),
    CommunitySpec(
        "vip", "星球 VIP 会员", "近 90 天买过 3 次、发帖 10 篇的老朋友", "新品共创、专属兽医问诊",
        owner="su.wan", adviser="shen.zhixing", parent="planet", kind="vip", circle="core",
        mode="rule_and_review", criterion=VIPS, target_size=200, created_days_ago=180,
        chat_capacity=100,
    ),
    CommunitySpec(
        "walk21", "21 天遛狗打卡营", "想养成每天遛狗习惯的人", "连续 21 天打卡，互相监督",
        owner="xia.zhi", parent="planet", values=("breed:dog",), kind="cycle", share=0.09,
        created_days_ago=45,
    ),
    CommunitySpec(
        "nanjing-store", "南京新街口店会员", "到店消费过的会员", "到店洗护预约、门店专享价",
        owner="lin.xiaoman", parent="east", values=("region:nanjing",), kind="store",
        circle="city", share=0.6, created_days_ago=5, status="warming", chat_capacity=100,
    ),
    CommunitySpec(
        "taste", "新品试吃官", "愿意写真实反馈的养宠人", "每季试吃两款新品并写测评",
        owner="xia.zhi", parent="planet", mode="invite_only", status="recruiting",
        minimum_tier=REGULAR_RANK,
        created_days_ago=3, target_size=60, chat_capacity=100,
    ),
    CommunitySpec(
        "puppy-school", "幼犬成长学堂", "", "", owner="xia.zhi", parent="planet", status="draft",
        created_days_ago=1,
    ),
)  # fmt: skip

STATUS_PATH = ("draft", "recruiting", "warming", "active")

WELCOME = (
    "欢迎{{昵称}}来到「{{社群}}」！\n"
    "先做三件事：改群名片（城市+宠物名）、晒一张毛孩子的照片、看一眼群公告。\n"
    "有问题随时 @ 我们，30 分钟内一定有真人回复。"
)
VIP_WELCOME = (
    "{{昵称}}，恭喜成为星球 VIP！\n"
    "你的专属福利：新品优先试用、每月一次兽医 1 对 1 问诊、生日月双倍积分。\n"
    "本群不发广告，欢迎把对产品的真心话说给我们听。"
)

PETS = (
    "豆豆 汤圆 布丁 奶茶 可乐 糯米 芝麻 花卷 团子 年糕 米粒 毛球 小七 雪饼 麻薯 咖啡 橙子 栗子 "
    "大福 元宝 来福 丸子 曲奇 拿铁 乌龙 桃子 波比 饭团 豆沙 土豆 地瓜 南瓜 泡芙 焦糖 杏仁 "
    "皮皮 闹闹 嘟嘟 球球 馒头 烧麦 锅巴 油条 豆浆 冬瓜 石榴 柚子 荔枝 山竹 黑豆"
)
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余"
GIVEN = (
    "欣怡 子涵 浩然 雨桐 梓萱 思远 佳宁 一诺 晓彤 俊杰 诗琪 嘉懿 明轩 若曦 志强 海燕 晨曦 静怡 "
    "宇航 雅婷 文博 可馨 天佑 梦洁 泽宇 慧敏 建国 丽娜 小北 念念 阿哲 阿宁 大雄 安琪 木木 西西"
)
