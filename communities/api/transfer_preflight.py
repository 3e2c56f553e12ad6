"""The tables of a preflight: what would go to whom, what would not and why, in how many days."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from communities.api.transfer_counts import ItemCountSerializer
from communities.rules.transfer_words import reason_words
from communities.rules.transfers import Subject
from communities.services.transfers.planning import Preflight
from scrm.accounts.models import Staff

#: So many rows of a table are told, the largest first; the items tell the rest.
MOST_ROWS = 200


class ReasonCountSerializer(serializers.Serializer[Any]):
    """不能转的明细，按原因。"""

    code = serializers.CharField(help_text=_("稳定的英文代码。"))
    words = serializers.CharField(help_text=_("为什么，怎么办。"))
    count = serializers.IntegerField()


class ReceiverShareSerializer(serializers.Serializer[Any]):
    """一位接手人会得到多少。"""

    receiver = serializers.IntegerField()
    receiver_name = serializers.CharField()
    subject = serializers.ChoiceField(choices=Subject.choices)
    count = serializers.IntegerField(help_text=_("这次转让给他的。"))
    owned = serializers.IntegerField(help_text=_("现在名下的。"))
    incoming = serializers.IntegerField(help_text=_("其他转让正要给他的。"))


class GiverQuotaSerializer(serializers.Serializer[Any]):
    """平台每天允许从一个人名下转出的群。"""

    channel_account = serializers.IntegerField()
    giver = serializers.IntegerField()
    giver_name = serializers.CharField()
    used = serializers.IntegerField(help_text=_("今天已用。"))
    left = serializers.IntegerField(help_text=_("今天还剩。"))
    asked = serializers.IntegerField(help_text=_("这次转让要转的群。"))
    days = serializers.IntegerField(help_text=_("要分几天转完，含今天。"))
    is_exhausted = serializers.BooleanField(help_text=_("平台说今天已用完。"))


class PreflightSerializer(serializers.Serializer[Any]):
    """预检的结果。逐条的接手人和原因见 transfer-items。"""

    needs_approval = serializers.BooleanField()
    ready = serializers.IntegerField(help_text=_("可以转的。"))
    blocked = serializers.IntegerField(help_text=_("不能转的。"))
    counts = ItemCountSerializer(many=True)
    reasons = ReasonCountSerializer(many=True)
    receivers = ReceiverShareSerializer(
        many=True, help_text=_("最多 %(most)d 行，多的在前。") % {"most": MOST_ROWS}
    )
    quotas = GiverQuotaSerializer(
        many=True, help_text=_("最多 %(most)d 行，要分最多天的在前。") % {"most": MOST_ROWS}
    )


def preflight_data(preflight: Preflight) -> Any:
    """The answer of a preflight, with people by name. One query."""
    receivers = sorted(preflight.receivers, key=lambda each: -each.count)[:MOST_ROWS]
    quotas = sorted(preflight.quotas, key=lambda each: (-each.days, -each.asked))[:MOST_ROWS]
    names = names_of({*(r.receiver_id for r in receivers), *(q.giver_id for q in quotas)})
    tables = {
        "needs_approval": preflight.needs_approval,
        "ready": preflight.ready,
        "blocked": preflight.blocked,
        "counts": [
            {"subject": subject, "state": state, "count": count}
            for (subject, state), count in sorted(preflight.counts.items())
        ],
        "reasons": [
            {"code": code, "words": reason_words(code), "count": count}
            for code, count in sorted(preflight.reasons.items(), key=lambda each: -each[1])
        ],
        "receivers": [
            {
                "receiver": each.receiver_id,
                "receiver_name": names.get(each.receiver_id, ""),
                "subject": each.subject,
                "count": each.count,
                "owned": each.owned,
                "incoming": each.incoming,
            }
            for each in receivers
        ],
        "quotas": [
            {
                "channel_account": each.account_id,
                "giver": each.giver_id,
                "giver_name": names.get(each.giver_id, ""),
                "used": each.used,
                "left": each.left,
                "asked": each.asked,
                "days": each.days,
                "is_exhausted": each.is_exhausted,
            }
            for each in quotas
        ],
    }
    return PreflightSerializer(tables).data


def names_of(staff_ids: Collection[int]) -> dict[int, str]:
    return dict(Staff.objects.filter(pk__in=staff_ids).values_list("pk", "name"))
