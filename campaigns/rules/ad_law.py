"""The forbidden words that we ship, each with the article that forbids it.

Articles: 中华人民共和国广告法 (2021 amendment); 广告绝对化用语执法指南 (State Administration for
Market Regulation, notice 6 of 2023) for what absolute words may still be said of; 商标法 article 14
for "well-known trademark"; WeChat's rules for external links for inducements. Where a word is
forbidden only of some goods, or has harmless meanings, it is a hint and people decide.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from campaigns.rules.guarding import Severity, TermKind
from campaigns.rules.lexicon import Term

#: Raised whenever a word, an article or an exception below changes: approvals name it.
SHIPPED_VERSION = "2026.11"

ABSOLUTE, MEDICAL = TermKind.ABSOLUTE, TermKind.MEDICAL
FINANCIAL, SUPERSTITION, INDUCEMENT = (
    TermKind.FINANCIAL,
    TermKind.SUPERSTITION,
    TermKind.INDUCEMENT,
)
BLOCK, HINT = Severity.BLOCK, Severity.HINT

AUTHORITY = _("《广告法》第九条第（二）项：不得使用国家机关及其工作人员的名义")
SUPERLATIVE = _("《广告法》第九条第（三）项：不得使用“国家级”“最高级”“最佳”等用语")
SUPERSTITIOUS = _("《广告法》第九条第（八）项：不得含有迷信、赌博等内容")
SOURCES = _("《广告法》第十一条：引用的数据要真实、准确并写明出处")
DISPARAGING = _("《广告法》第十三条：不得贬低其他经营者的商品或服务")
WELL_KNOWN = _("《商标法》第十四条：“驰名商标”不得用于广告宣传")
EFFICACY = _("《广告法》第十六条：医疗、药品、医疗器械不得断言功效，不得说明治愈率")
NOT_MEDICINE = _("《广告法》第十七条：非医疗广告不得涉及疾病治疗功能或使用医疗用语")
HEALTH_FOOD = _("《广告法》第十八条：保健食品不得断言功效，不得涉及疾病预防、治疗")
BREAST_MILK = _("《广告法》第二十条：不得声称替代母乳")
ALCOHOL = _("《广告法》第二十三条：不得诱导饮酒，不得宣传饮酒的功效")
TRAINING = _("《广告法》第二十四条：教育培训不得作保证性承诺")
RETURNS = _("《广告法》第二十五条：不得保证收益，不得明示或暗示保本、无风险")
PROPERTY = _("《广告法》第二十六条：房地产不得承诺升值或投资回报")
FALSE = _("《广告法》第二十八条：与实际情况不符的允诺、价格和销售状况是虚假广告")
LURING = _("《微信外部链接内容管理规范》：不得以利益诱导分享、关注、集赞或助力")

DROP = _("删去，或改为可以证明的具体说法")
PLAIN = _("改为“优质”“受欢迎”“我们推荐”等不排他的说法")
NUMBERS = _("写明数据、时间范围和出处，否则删去")
PRICE = _("改为“限时优惠价”，并写明活动时间")
DEADLINE = _("写明活动的具体截止时间")
NO_CURE = _("删去疾病和治疗的说法，只写原料、口感和使用感受")
NO_PROMISE = _("删去承诺，写明风险和条件")
NO_LURE = _("去掉分享换奖励，改为自愿分享")


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


# Words with which the term only counts, orders or names: 第一 in 第一次.
FIRSTS = _split(
    "第一次 第一天 第一时间 第一步 第一期 第一批 第一位 第一个 第一章 第一件 第一节 第一课 第一组"
    " 第一周 第一轮 第一届 第一季 第一场 第一条 第一页 第一单 第一杯 第一口 第一年 第一眼 第一代"
    " 第一手 第一人称 第一反应 第一句 第一站 第一篇 第一集 第一张 第一段 第一阶段 第一季度 第一份"
    " 第一顿 第一关 第一道 第一排 第一现场 第一学期 第一局 第一医院 第一中学 第一小学 第一书记"
    " 第一遍 第一回 第一幕 第一声 安全第一 健康第一 顾客第一"
)
# Advice on how and when to use something is allowed (notice 6 of 2023, article 6).
ADVICE = _split(
    "最佳食用 最佳赏味 最佳饮用 最佳使用 最佳观赏 最佳观看 最佳时间 最佳时机 最佳温度 最佳状态"
    " 最佳位置 最佳体验时间 最佳保存 最佳品尝 最佳口感期"
)
ADVERBS = _split(
    "最好提前 最好先 最好在 最好带 最好能 最好是 最好不要 最好别 最好把 最好用 最好穿 最好自带"
    " 最好于 最好准备 最好预约 最好早点 最好的朋友 最好的自己 最好的祝福 最好的礼物 最好的陪伴"
)

type Exceptions = dict[str, tuple[str, ...]]


def _terms(
    kind: TermKind,
    severity: Severity,
    article: Promise,
    suggestion: Promise,
    words: str,
    exceptions: Exceptions | None = None,
) -> Iterator[Term]:
    for word in words.split():
        excuses = (exceptions or {}).get(word, ())
        yield Term(word, kind, severity, article, suggestion, excuses)


def _absolute() -> Iterator[Term]:
    yield from _terms(
        ABSOLUTE,
        BLOCK,
        SUPERLATIVE,
        PLAIN,
        "国家级 世界级 宇宙级 最高级 最佳 最优 最强 最棒 最先进 最高端 最顶级 最优秀 最权威"
        " 最专业 最领先 最安全 最有效 最完美 最奢华 最正宗 最健康 最受欢迎 最畅销 最火爆 最具价值"
        " 顶级 顶尖 极品 极佳 绝佳 至尊 无敌 完美无缺 无与伦比 无可比拟"
        " 独一无二 绝无仅有 史无前例 前无古人 空前绝后 不可替代 不可复制 首屈一指 登峰造极"
        " 第一品牌 第一名牌 全国第一 全网第一 世界第一 中国第一 全球第一 行业第一 销量第一 销冠"
        " 排名第一 口碑第一 质量第一 领导品牌 领袖品牌 领先品牌 世界领先 全球领先 国际领先 遥遥领先"
        " 国际一流 世界一流 填补国内空白 NO.1 TOP1 全网之首 行业之最 史上最强 史上最牛 天花板级",
        {
            "最佳": ADVICE,
            "质量第一": ("质量第一的理念", "坚持质量第一"),
            "最安全": ("最安全的做法", "最安全的距离"),
            "世界级": ("世界级非遗", "世界级遗产"),
            "国家级": ("国家级非遗", "国家级非物质文化遗产", "国家级自然保护区", "国家级贫困县"),
        },
    )


def _doubtful() -> Iterator[Term]:
    yield from _terms(
        ABSOLUTE,
        HINT,
        SUPERLATIVE,
        _("与商品好坏无关的可以保留；否则改为不排他的说法"),
        "第一 唯一 首选 首家 首个 独家 最好 最大 最新 最多 最高 最爱 最美 最全 最热 最快 最低 冠军"
        " 绝对 完美 顶配 极致 巅峰 终极 王牌 万能 必备神器 殿堂级 大师级 宗师级 全能 永久 100%"
        " 百分百 百分之百",
        {
            "第一": FIRSTS,
            "最好": ADVERBS,
            "终极": ("终极大奖揭晓",),
            "极致": ("追求极致",),
            "王牌": ("王牌对王牌",),
            "万能": ("万能胶", "万能钥匙", "万能遥控器", "万能充", "万能表"),
            "唯一": ("唯一的要求", "唯一码", "唯一编号", "唯一的缺点", "唯一凭证"),
            "首个": ("首个周末", "首个工作日", "首个假期"),
            "独家": ("独家专访",),
            "最大": ("最大努力", "最大限度", "最大承重", "最大尺寸", "最大容量", "最大的幸福"),
            "最新": ("最新通知", "最新消息", "最新进展", "最新安排", "最新公告", "最新日程"),
            "最多": ("最多可", "最多限", "每人最多", "最多使用", "最多领", "最多抵", "最多带"),
            "最高": ("最高可", "最高温", "最高气温", "最高抵", "最高减", "最高人民法院"),
            "最低": ("最低消费", "最低温", "最低气温", "最低起订", "最低年龄", "最低生活保障"),
            "最快": ("最快明天", "最快当天", "最快次日"),
            "最爱": ("你最爱", "大家最爱", "妈妈最爱", "孩子最爱", "我的最爱"),
            "冠军": ("比赛冠军", "世界冠军", "奥运冠军", "冠军赛"),
            "绝对": ("绝对值", "绝对地址", "绝对零度"),
            "永久": ("永久居留", "永久地址"),
            "100%": ("100%棉", "100%纯棉", "100%羊毛", "100%果汁", "100%桑蚕丝"),
        },
    )


def _authority() -> Iterator[Term]:
    yield from _terms(
        ABSOLUTE,
        BLOCK,
        AUTHORITY,
        _("删去国家机关、领导人和特供的说法"),
        "特供 专供 内供 国家领导人推荐 中南海特供 人民大会堂专用 国宴专用 军队特供 机关特供"
        " 政府推荐 国家机关推荐 领导人推荐 质量免检 国家免检",
        {"专供": ("专供会员", "专供本群", "门店专供", "会员专供", "出口专供")},
    )
    yield from _terms(ABSOLUTE, BLOCK, WELL_KNOWN, _("只写商标本身"), "驰名商标 中国驰名")
    yield from _terms(
        ABSOLUTE,
        BLOCK,
        DISPARAGING,
        _("只说自己的商品，不比较别家"),
        "吊打同行 秒杀同行 碾压同行 吊打一切 完爆同行 比某宝便宜 别家都是假的 同行都是",
    )


def _superstition() -> Iterator[Term]:
    yield from _terms(
        SUPERSTITION,
        BLOCK,
        SUPERSTITIOUS,
        _("删去开光、转运等说法，只写寓意和工艺"),
        "开光 转运 旺夫 旺财 招财 辟邪 驱邪 镇宅 化煞 改运 逢凶化吉 消灾 算命 神仙附体 保佑发财"
        " 带来好运 增强第六感 防小人 招桃花",
        {
            "转运": ("转运中心", "转运站", "货物转运", "快递转运", "转运仓"),
            "开光": ("公开光",),
            "招财": ("招财猫", "招财进宝年画"),
        },
    )


def _medical() -> Iterator[Term]:
    yield from _terms(
        MEDICAL,
        BLOCK,
        EFFICACY,
        NO_CURE,
        "根治 治愈 治愈率 有效率 包治百病 药到病除 永不复发 不反弹 无副作用 无毒副作用 安全无毒"
        " 无效退款 立竿见影 一针见效 药效 疗效最佳 祖传秘方 彻底根除 三天见效 七天见效 当天见效",
        {
            "治愈": ("治愈系", "治愈心灵", "治愈的画面", "被治愈了", "治愈时刻"),
            "有效率": ("更有效率", "富有效率", "高效有效率"),
        },
    )
    yield from _terms(
        MEDICAL,
        BLOCK,
        NOT_MEDICINE,
        NO_CURE,
        "治疗 疗效 抗癌 防癌 抗肿瘤 消炎 抗炎 杀菌消炎 降血压 降血糖 降血脂 降三高 治失眠 治便秘"
        " 治脱发 排毒养颜 排毒 活血化瘀 祛湿排毒 清热解毒 壮阳 补肾 壮腰健肾 丰胸 速效减肥 月瘦"
        " 处方药 临床验证 医学证明 药用价值 细胞再生 抗病毒 预防疾病 预防新冠 改善内分泌 软化血管"
        " 延缓衰老 增强免疫力 提高免疫力 提升免疫力 延年益寿 返老还童 妇科炎症",
        {
            "治疗": ("治疗师介绍", "正在接受治疗", "治疗期间请"),
            "处方药": ("非处方药品分类",),
        },
    )


def _food_and_drink() -> Iterator[Term]:
    yield from _terms(
        MEDICAL,
        HINT,
        HEALTH_FOOD,
        _("保健食品要标明“本品不能代替药物”；普通食品删去功效"),
        "保健 养生 滋补 助眠 养胃 护肝 明目 安神 瘦身 减肥 燃脂 美白 祛斑 祛痘 抗衰 抗衰老 免疫力"
        " 增高 益智 健脑 调理身体 补血 补气 祛湿 代替药物 替代药物 糖尿病 高血压 颈椎病 失眠",
        {
            "保健": ("保健室", "妇幼保健", "保健品请勿代替", "保健科"),
            "替代药物": ("不能替代药物",),
            "代替药物": ("不能代替药物",),
            "明目": ("明目张胆",),
            "糖尿病": ("糖尿病患者慎", "糖尿病人慎"),
            "高血压": ("高血压患者慎", "高血压人群慎"),
        },
    )
    yield from _terms(
        MEDICAL, BLOCK, BREAST_MILK, DROP, "替代母乳 代替母乳 媲美母乳 接近母乳 等同母乳 母乳化"
    )
    yield from _terms(
        MEDICAL,
        BLOCK,
        ALCOHOL,
        _("删去饮酒的功效和劝酒，提示适量饮用"),
        "喝酒养生 饮酒养生 饮酒解乏 喝酒解压 千杯不醉 不醉不归 不醉不休 酒后驾车 喝了不上头",
        {"酒后驾车": ("请勿酒后驾车", "不要酒后驾车", "禁止酒后驾车", "拒绝酒后驾车")},
    )


def _promises() -> Iterator[Term]:
    yield from _terms(
        FINANCIAL,
        BLOCK,
        RETURNS,
        NO_PROMISE,
        "稳赚 稳赚不赔 包赚 保本 保本保息 保收益 保证收益 零风险 无风险 0风险 高收益低风险 躺赚"
        " 日赚 月入过万 月入十万 一夜暴富 快速致富 翻倍收益 收益翻倍 本息无忧 只赚不赔"
        " 稳定高回报 低投入高回报 包回本 保证回本 拉人头",
        {"无风险": ("并非无风险", "不是无风险"), "零风险": ("并非零风险",)},
    )
    yield from _terms(
        FINANCIAL, HINT, RETURNS, NO_PROMISE, "年化收益 财务自由 高收益 高回报 副业增收"
    )
    yield from _terms(
        FINANCIAL,
        BLOCK,
        TRAINING,
        _("删去保证，改为课程内容和师资"),
        "保过 包过 保录取 保证录取 保分 包就业 保证就业 必过 押题命中 命题人 一次通过率 名校直录"
        " 不过退款 保上岸 包上岸",
        {"必过": ("必过圣诞", "必过生日")},
    )
    yield from _terms(
        FINANCIAL, BLOCK, PROPERTY, NO_PROMISE, "升值无限 稳定升值 升值空间巨大 投资回报率 坐等升值"
    )


def _offers() -> Iterator[Term]:
    yield from _terms(
        FINANCIAL,
        BLOCK,
        FALSE,
        PRICE,
        "全网最低 全网最低价 最低价 史上最低 史上最低价 历史最低 历史最低价 地板价 跳楼价 骨折价"
        " 亏本甩卖 倒闭清仓 假一赔万 点击有惊喜 恭喜获奖 全民免单 免费领取现金 点击领红包",
        {"最低价": ("30天最低价保护", "最低价保护")},
    )
    yield from _terms(
        FINANCIAL,
        HINT,
        FALSE,
        DEADLINE,
        "最后机会 最后一次机会 最后一波 仅此一次 错过不再 错过再等一年 错过后悔 再不抢就没了"
        " 随时涨价 马上涨价 即将涨价 秒光 抢疯了 疯抢 清仓 限时秒杀 原价 免费领 零元购 0元购",
        {"原价": ("原价购买", "按原价", "恢复原价")},
    )
    yield from _terms(
        ABSOLUTE,
        HINT,
        SOURCES,
        NUMBERS,
        "销量过万 热销百万 百万人选择 千万人选择 万人好评 好评率 复购率 满意率 用户证明 专家推荐"
        " 专家证明 权威认证 权威机构 研究表明 实验证明 科学证明 专利技术 祖传 诺贝尔",
    )


def _inducements() -> Iterator[Term]:
    yield from _terms(
        INDUCEMENT,
        BLOCK,
        LURING,
        NO_LURE,
        "转发有奖 转发抽奖 转发领红包 转发朋友圈 转发到朋友圈 转发三个群 转发到群 分享领红包"
        " 分享得红包 集赞 集满赞 助力领取 帮我砍价 砍一刀 帮砍 邀请好友得 拉人进群送 不转不是中国人"
        " 转疯了 关注领红包 裂变红包 好友助力 分享后可见 转发后领取",
        {"转发朋友圈": ("请勿转发朋友圈", "不要转发朋友圈", "无需转发朋友圈")},
    )
    yield from _terms(
        INDUCEMENT,
        HINT,
        LURING,
        NO_LURE,
        "邀请有礼 拉新有礼 分享有礼 集卡 打卡返现 晒单返现 好评返现 五星好评",
    )


SHIPPED: tuple[Term, ...] = (
    *_absolute(),
    *_doubtful(),
    *_authority(),
    *_superstition(),
    *_medical(),
    *_food_and_drink(),
    *_promises(),
    *_offers(),
    *_inducements(),
)
