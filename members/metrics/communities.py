"""The figures of a community that members know: their definitions, and the measure of each."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from communities.metrics import COMMUNITY_METRICS
from members.selectors.figures_of_days import (
    activity_figures,
    sales_figures,
    size_figures,
    talk_figures,
)
from members.selectors.figures_of_people import presence_figures, risk_figure, value_figure
from members.selectors.figures_of_talk import concentration_figure, interaction_figure
from members.selectors.health import NEEDED, health_figure
from members.selectors.retention import retention_figure
from scrm.shared.figures import Better, FigureDefinition, FigureUnit, Words

MEMBERSHIP = _("入群和退群记录")
ACTIVITY = _("成员日活跃")
EVENTS = _("活跃事件")
STAFF = _("员工日活跃")
ORDERS = _("订单")
SCORES = _("流失评分")
VALUES = _("成员价值")
EVERYTHING = _("其他指标")


def _figure(
    name: str,
    label: Words,
    unit: FigureUnit,
    source: Words,
    definition: Words,
    better: Better = Better.NEITHER,
) -> FigureDefinition:
    return FigureDefinition(name, label, unit, source, definition, better=better)


SIZE = (
    _figure(
        "member_count",
        _("成员数"),
        FigureUnit.PEOPLE,
        MEMBERSHIP,
        _("这一天结束时在社群里的成员。日初成员 + 加入 − 离开 = 日末成员。"),
        Better.UP,
    ),
    _figure(
        "joined_count",
        _("近 28 天加入"),
        FigureUnit.PEOPLE,
        MEMBERSHIP,
        _("近 28 天加入社群的人次；离开后再加入算两次。"),
        Better.UP,
    ),
    _figure(
        "left_count",
        _("近 28 天离开"),
        FigureUnit.PEOPLE,
        MEMBERSHIP,
        _("近 28 天离开社群的人次，不论自己退出还是被移出。"),
        Better.DOWN,
    ),
    _figure(
        "leave_rate",
        _("离开率"),
        FigureUnit.SHARE,
        MEMBERSHIP,
        _("近 28 天离开的人次 ÷（28 天前的成员数 + 这期间加入的人次）。"),
        Better.DOWN,
    ),
)
LIVELINESS = (
    _figure(
        "dau",
        _("日活跃成员"),
        FigureUnit.PEOPLE,
        ACTIVITY,
        _("这一天有任何活跃迹象的成员：发言、发帖、评论、点赞、点击、打卡等；只收到消息不算。"),
        Better.UP,
    ),
    _figure(
        "wau",
        _("周活跃成员"),
        FigureUnit.PEOPLE,
        ACTIVITY,
        _("到这一天为止的 7 天里有活跃迹象的成员，每人只算一次。"),
        Better.UP,
    ),
    _figure(
        "mau",
        _("月活跃成员"),
        FigureUnit.PEOPLE,
        ACTIVITY,
        _("到这一天为止的 28 天里有活跃迹象的成员，每人只算一次。"),
        Better.UP,
    ),
    _figure(
        "stickiness",
        _("粘性（DAU/MAU）"),
        FigureUnit.SHARE,
        ACTIVITY,
        _("近 28 天日活跃的平均值 ÷ 月活跃：活跃成员平均每 28 天有几成日子会来。"),
        Better.UP,
    ),
    _figure(
        "wau_mau",
        _("周活跃占比（WAU/MAU）"),
        FigureUnit.SHARE,
        ACTIVITY,
        _("周活跃 ÷ 月活跃。和粘性一起看：每周来一次的社群粘性低，但不是不健康。"),
        Better.UP,
    ),
    _figure(
        "speaker_coverage",
        _("发言覆盖率"),
        FigureUnit.SHARE,
        ACTIVITY,
        _("近 7 天发过言、发过帖或评论过的成员 ÷ 成员数。"),
        Better.UP,
    ),
)
TALK = (
    _figure(
        "owner_talk_share",
        _("员工发言占比"),
        FigureUnit.SHARE,
        STAFF,
        _("近 28 天员工的发言 ÷ 员工和成员的发言之和。越高越像自说自话。"),
        Better.DOWN,
    ),
    _figure(
        "owner_only_days",
        _("只有员工说话的天数"),
        FigureUnit.DAYS,
        STAFF,
        _("近 28 天里员工说了话、却没有一位成员开口的天数。"),
        Better.DOWN,
    ),
    _figure(
        "silent_days",
        _("没人说话的天数"),
        FigureUnit.DAYS,
        ACTIVITY,
        _("近 28 天里有数据覆盖、但没有任何人发言的天数。"),
        Better.DOWN,
    ),
)
CONCENTRATION = _figure(
    "message_gini",
    _("发言集中度（基尼系数）"),
    FigureUnit.INDEX,
    ACTIVITY,
    _("近 28 天发过言的成员之间，发言条数的基尼系数：0 为人人一样多，接近 1 为几乎一人包办。"),
    Better.DOWN,
)
INTERACTION = _figure(
    "interaction_rate",
    _("帖子互动率"),
    FigureUnit.SHARE,
    EVENTS,
    _(
        "帖子发出 72 小时内在同一话题里回复、点赞、点击或转发的其他成员 ÷ 发帖当天的成员数，"
        "28 天的帖子合计；还没满 72 小时的帖子不算。"
    ),
    Better.UP,
)
RETENTION = _figure(
    "retention_week_4",
    _("第 4 周留存"),
    FigureUnit.SHARE,
    ACTIVITY,
    _(
        "最近 4 个加入周（要求每人都满 5 周，且每天都有数据覆盖）的新成员里，"
        "加入后第 28 到 34 天还活跃的比例。"
    ),
    Better.UP,
)
PRESENCE = (
    _figure(
        "active_share",
        _("活跃率"),
        FigureUnit.SHARE,
        ACTIVITY,
        _("现在的成员里近 28 天有活跃迹象的比例。要和下单率一起看。"),
        Better.UP,
    ),
    _figure(
        "buyer_share",
        _("下单率"),
        FigureUnit.SHARE,
        ORDERS,
        _("现在的成员里近 28 天有人民币订单（未全额退款）的比例。活跃不等于成交。"),
        Better.UP,
    ),
    _figure(
        "dormant_count",
        _("沉默中"),
        FigureUnit.PEOPLE,
        ACTIVITY,
        _("现在的成员里最近一次活跃是 14 到 27 天前的人。"),
        Better.DOWN,
    ),
    _figure(
        "silent_count",
        _("已流失（沉默 28 天）"),
        FigureUnit.PEOPLE,
        ACTIVITY,
        _("还在社群、入群已满 28 天、但 28 天没有任何活跃迹象的人；离开社群的另算。"),
        Better.DOWN,
    ),
)
RISK = _figure(
    "at_risk_count",
    _("有流失风险"),
    FigureUnit.PEOPLE,
    SCORES,
    _("14 天内还活跃、但最近一次评分认为 28 天内流失的概率不低于 50% 的成员；没有评分的不算。"),
    Better.DOWN,
)
SALES = (
    _figure(
        "gmv",
        _("成交额"),
        FigureUnit.MONEY,
        ORDERS,
        _("近 28 天在群成员的人民币订单实付减退款。退款从支付那天扣；同时在几个社群的都计入。"),
        Better.UP,
    ),
    _figure(
        "orders",
        _("订单数"),
        FigureUnit.TIMES,
        ORDERS,
        _("近 28 天在群成员的人民币订单数。"),
        Better.UP,
    ),
)
VALUE = _figure(
    "clv",
    _("预计价值（CLV）"),
    FigureUnit.MONEY,
    VALUES,
    _(
        "现在的成员未来 12 个月预计净消费之和，按年 10% 折现、未乘毛利率；"
        "只含可以画像并有估计的成员。和成交额一起看。"
    ),
    Better.UP,
)
HEALTH = _figure(
    "health",
    _("健康分"),
    FigureUnit.SCORE,
    EVERYTHING,
    _(
        "粘性 25 分、第 4 周留存 25 分、互动 20 分、首次回复 15 分、克制（广告和离开）15 分，"
        "各取它在这个社群自己近 12 个月里的百分位；没有数据的部分不计分，要看各部分而不只看总分。"
    ),
    Better.UP,
)


def register_community_metrics() -> None:
    """Make them known, in the order in which they are shown."""
    COMMUNITY_METRICS.register_derived(HEALTH, health_figure, needs=NEEDED)
    COMMUNITY_METRICS.register_together(SIZE, size_figures)
    COMMUNITY_METRICS.register_together(LIVELINESS, activity_figures)
    COMMUNITY_METRICS.register_together(TALK, talk_figures)
    COMMUNITY_METRICS.register(CONCENTRATION, concentration_figure)
    COMMUNITY_METRICS.register(INTERACTION, interaction_figure)
    COMMUNITY_METRICS.register(RETENTION, retention_figure)
    COMMUNITY_METRICS.register_together(PRESENCE, presence_figures)
    COMMUNITY_METRICS.register(RISK, risk_figure)
    COMMUNITY_METRICS.register_together(SALES, sales_figures)
    COMMUNITY_METRICS.register(VALUE, value_figure)
