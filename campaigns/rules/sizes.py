"""How many recipients it takes to see a difference."""

from __future__ import annotations

from django.utils.translation import gettext as _

from campaigns.errors import BadEffect
from campaigns.rules.statistics import sample_size, sample_size_of_mean

MOST = 1_000_000_000


def size_needed(
    *, effect: float, baseline: float | None = None, deviation: float | None = None
) -> int:
    """Units per arm: of shares by the ``baseline``, of amounts and chats by their ``deviation``.

    With a power of 80 % at two-sided 5 %.
    """
    if (baseline is None) == (deviation is None):
        raise BadEffect(_("请填写现在的比例（baseline）或标准差（deviation）其中一个。"))
    try:
        if baseline is not None:
            needed = sample_size(baseline, effect)
        else:
            needed = sample_size_of_mean(deviation or 0.0, effect)
    except (ValueError, ArithmeticError) as error:
        raise BadEffect(
            _("差别不能是 0；现在的比例和加上差别之后的比例都要在 0 和 1 之间。")
        ) from error
    if needed > MOST:
        raise BadEffect(_("差别太小，没有这么多人可以看出来；请填大一点的差别。"))
    return needed
