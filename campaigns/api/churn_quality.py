"""How right predictions and alerts were, over the API."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.api.winback import community_of
from campaigns.rules.alert_quality import FEW
from campaigns.selectors.alert_quality import MONTHS, MOST_MONTHS, quality_for
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import refuse_unknown
from scrm.shared.clock import database_now


class QualityQuerySerializer(serializers.Serializer[Any]):
    community = serializers.IntegerField(
        min_value=1, required=False, help_text=_("只看一个社群；不写是能看到的全部。")
    )
    months = serializers.IntegerField(
        min_value=1, max_value=MOST_MONTHS, required=False, default=MONTHS
    )


def number(words: Any = "") -> Any:
    return serializers.FloatField(allow_null=True, help_text=words)


class IntervalSerializer(serializers.Serializer[Any]):
    low = serializers.FloatField()
    high = serializers.FloatField()


class BudgetSerializer(serializers.Serializer[Any]):
    n = serializers.IntegerField(help_text=_("风险最高的这些人次。"))
    hits = serializers.FloatField(help_text=_("其中真的沉默的。"))
    precision = number()
    recall = number()
    lift = number(_("比随机抽同样多的人高几倍。"))
    silence_precision = number(_("只看沉默天数、取同样多的人时的准确率。"))
    lift_over_silence = number(_("比只看沉默天数多找到几倍。"))


class BinSerializer(serializers.Serializer[Any]):
    low = serializers.FloatField()
    high = serializers.FloatField()
    n = serializers.IntegerField()
    mean_p = number(_("平均预测概率。"))
    rate = number(_("实际沉默的比例。"))
    interval = IntervalSerializer(help_text=_("实际比例的 95% Wilson 区间。"))


class CheckedSerializer(serializers.Serializer[Any]):
    cuts = serializers.IntegerField(help_text=_("核对了几个评分日。"))
    scored = serializers.IntegerField(help_text=_("评分人次。"))
    churned = serializers.IntegerField(help_text=_("其中之后 28 天沉默的人次。"))
    base_rate = number()
    auc = number()
    silence_auc = number(_("只看沉默天数时的 AUC。"))
    brier = number()
    ece = number(_("预测概率与实际比例平均相差多少。"))
    notice_days = number(_("提前天数的中位数：从评分日到会被宣布沉默的那天。"))
    at_10 = BudgetSerializer()
    at_20 = BudgetSerializer()
    bins = BinSerializer(many=True)
    is_few = serializers.BooleanField(help_text=_("样本太少，只供参考。"))


class JudgedSerializer(serializers.Serializer[Any]):
    raised = serializers.IntegerField(help_text=_("预警条数，含不干预的对照。"))
    pending = serializers.IntegerField(help_text=_("还没到有结果的时候。"))
    unmeasured = serializers.IntegerField(help_text=_("没有活跃数据，无法判断。"))
    unwatched = serializers.IntegerField(help_text=_("撤回授权或已抹除，不再观察。"))
    decided = serializers.IntegerField()
    saved = serializers.IntegerField(help_text=_("已回来。"))
    lost = serializers.IntegerField(help_text=_("已沉默 28 天。"))
    left = serializers.IntegerField(help_text=_("已退群。"))
    precision = number(_("有结果的里面，沉默或退群的比例；挽回成功的看起来像误报。"))
    precision_interval = IntervalSerializer()
    held_out_decided = serializers.IntegerField()
    held_out_precision = number(_("只看没人干预的对照时的比例。"))
    notice_days = number(_("提前天数的中位数：从预警到宣布沉默。"))
    is_few = serializers.BooleanField()


class MonthSerializer(serializers.Serializer[Any]):
    month = serializers.DateField(help_text=_("月份的第一天。"))
    model_version = serializers.CharField()
    is_backtest = serializers.BooleanField(
        help_text=_("回测：评分是事后只用当时的数据补做的，没有预警。")
    )
    checked = CheckedSerializer(allow_null=True)
    alerts = JudgedSerializer(allow_null=True)


class SavedSerializer(serializers.Serializer[Any]):
    n = serializers.IntegerField()
    saved = serializers.IntegerField()
    rate = number()
    interval = IntervalSerializer()


class EffectSerializer(serializers.Serializer[Any]):
    held_out = SavedSerializer(help_text=_("随机抽出、没人干预的对照。"))
    offered = SavedSerializer(help_text=_("其余全部，不管有没有人跟进。"))
    acted_on = SavedSerializer(help_text=_("真的做了动作的；由人挑选，不能直接比较。"))
    difference = number(_("其余全部的回来率减对照的回来率。"))
    interval = IntervalSerializer(help_text=_("95% Newcombe 区间。"))
    acted_difference = number()
    acted_interval = IntervalSerializer()
    is_few = serializers.BooleanField()
    is_certain = serializers.BooleanField(help_text=_("区间不含 0，且样本够。"))


class CausesSerializer(serializers.Serializer[Any]):
    threshold = JudgedSerializer(help_text=_("概率达到阈值。"))
    top_value = JudgedSerializer(help_text=_("价值 × 风险居前。"))


class QualitySerializer(serializers.Serializer[Any]):
    since = serializers.DateField()
    few_below = serializers.IntegerField(default=FEW, help_text=_("少于这么多算样本太少。"))
    months = MonthSerializer(many=True)
    checked = CheckedSerializer(allow_null=True, help_text=_("各月合计，不含回测。"))
    backtested = CheckedSerializer(allow_null=True, help_text=_("回测各月合计。"))
    alerts = JudgedSerializer()
    causes = CausesSerializer(help_text=_("按预警依据。"))
    effect = EffectSerializer(help_text=_("挽回的效果。"))


class ChurnQualityView(APIView):
    """预警质量：预测和预警对不对，提前几天，挽回有没有用。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": Capability.VIEW_CAMPAIGNS}

    @extend_schema(parameters=[QualityQuerySerializer], responses=QualitySerializer)
    def get(self, request: Request) -> Response:
        """按月、按模型版本：准确率、召回、比只看沉默天数好几倍、提前天数、校准，以及和对照相比的挽回效果。"""
        refuse_unknown(request, set(QualityQuerySerializer().fields))
        query = QualityQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        user = acting_user(request)
        community = community_of(query.validated_data.get("community"), user)
        quality = quality_for(
            user,
            today=database_now().astimezone(user.enterprise.zone).date(),
            months=query.validated_data["months"],
            community=community,
        )
        return Response(QualitySerializer(quality).data)
