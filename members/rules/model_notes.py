"""What fitted models say about themselves, in words."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members.rules.clv_models import sentences

#: How a fit ended.
OUTCOMES = {
    "activated": gettext_lazy("已启用"),
    "chosen": gettext_lazy("人工选定的模型仍在用，新模型留作候选"),
    "worse": gettext_lazy("在最近一期上不如在用的模型，未采用"),
    "not_converged": gettext_lazy("拟合没有收敛，未采用"),
    "uncompared": gettext_lazy("最近一期可比的人数太少，未采用"),
    "too_few": gettext_lazy("样本或沉默的人太少，沿用全企业或自带的模型"),
    "no_labels": gettext_lazy("没有可学习的历史，沿用全企业或自带的模型"),
    "unsound": gettext_lazy("按周的 BG/NBD 拟合不可信，沿用自带的模型"),
    "unmeasured": gettext_lazy("近期没有数据覆盖"),
}


def note_in_words(note: object) -> str:
    """A note of a model as an operator reads it."""
    if not isinstance(note, Mapping):
        return str(note)
    words = {
        "activated": _("在最近一期上不比 %(version)s 差，已启用"),
        "chosen": _("%(version)s 是人工选定的，这个模型留作候选"),
        "worse": _("在最近一期上不如 %(version)s（Brier 高出 2%% 以上），未采用"),
        "not_converged": _("拟合没有收敛，继续用 %(version)s"),
        "uncompared": _("最近一期可比的人数不足 30，无法证明不比 %(version)s 差，未采用"),
        "weekly": _("历史不足以学习系数，按每周是否活跃估计（BG/NBD）"),
        "unsound": _("按周的拟合落在参数边界或没有收敛，未采用"),
    }
    template = (words | sentences()).get(str(note.get("code")))
    try:
        return template % note if template else str(note.get("code"))
    except KeyError:
        return str(note.get("code"))


#: The terms of the logistic model.
TERMS = {
    "silence": gettext_lazy("沉默天数（对数）"),
    "active_days": gettext_lazy("累计活跃天数（对数）"),
    "total": gettext_lazy("累计互动次数（对数）"),
    "tenure": gettext_lazy("首次活跃至今天数（对数）"),
    "active_days_14": gettext_lazy("近 14 天活跃天数"),
    "active_days_28": gettext_lazy("近 28 天活跃天数"),
    "active_days_112": gettext_lazy("近 112 天活跃天数"),
    "trend": gettext_lazy("近 28 天互动与之前 28 天之比（对数）"),
    "usual_gap": gettext_lazy("平时的间隔天数（对数）"),
    "threads_28": gettext_lazy("近 28 天参与话题数（对数）"),
}

#: Figures of a fit or a check, by where they stand.
FIGURES = {
    "auc": gettext_lazy("AUC（排序正确的比例）"),
    "brier": gettext_lazy("Brier（概率的平均平方误差）"),
    "former_brier": gettext_lazy("当时在用的模型的 Brier"),
    "ece": gettext_lazy("校准误差"),
    "base_rate": gettext_lazy("实际沉默的比例"),
    "at_10.precision": gettext_lazy("前 10%：说中的比例"),
    "at_10.recall": gettext_lazy("前 10%：找到全部沉默者的比例"),
    "at_10.lift": gettext_lazy("前 10%：是随机的几倍"),
    "at_20.precision": gettext_lazy("前 20%：说中的比例"),
    "at_20.recall": gettext_lazy("前 20%：找到全部沉默者的比例"),
    "at_20.lift": gettext_lazy("前 20%：是随机的几倍"),
    "notice_days.median": gettext_lazy("提前天数（中位数）"),
    "newest": gettext_lazy("核对人数"),
    "log_likelihood": gettext_lazy("对数似然"),
    "correlation": gettext_lazy("购买次数与金额的相关系数"),
    "holdout.days.ratio": gettext_lazy("用过去检验：预计购买天数 ÷ 实际"),
    "holdout.days.mae": gettext_lazy("用过去检验：每人购买天数的平均误差"),
    "holdout.amount.ratio": gettext_lazy("用过去检验：预计金额 ÷ 实际"),
    "holdout.buyers": gettext_lazy("用过去检验的人数"),
}


def run_notes_in_words(notes: Mapping[str, object]) -> list[str]:
    """What a nightly run says of itself: outcomes of fits and who was left out."""
    said = []
    for code, value in notes.items():
        if code == "unconsented" and value:
            said.append(_("%(count)s 位成员没有画像授权，未评分") % {"count": value})
        elif code == "pooled":
            said.append(_("全企业：%(outcome)s") % {"outcome": OUTCOMES.get(str(value), value)})
        elif code in OUTCOMES:
            words = {"count": value, "outcome": OUTCOMES[code]}
            said.append(_("%(count)s 个社群%(outcome)s") % words)
    return said
