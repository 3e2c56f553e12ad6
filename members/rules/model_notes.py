"""What fitted models say about themselves, in words."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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
    template = words.get(str(note.get("code")))
    try:
        return template % note if template else str(note.get("code"))
    except KeyError:
        return str(note.get("code"))
