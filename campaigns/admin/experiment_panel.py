"""The experiment as it stands beside its broadcast."""

from __future__ import annotations

from typing import Any

from campaigns.experiment_words import words_of
from campaigns.models import Broadcast, Experiment
from campaigns.rules.status import BroadcastStatus
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability


def experiment_context(broadcast: Broadcast, *, user: User) -> dict[str, Any]:
    """Empty where there is none and none can be added."""
    experiment = (
        Experiment.objects.filter(broadcast=broadcast)
        .select_related("broadcast__enterprise")
        .prefetch_related("arms")
        .first()
    )
    if experiment is not None:
        arms = sorted(experiment.arms.all(), key=lambda arm: arm.number)
        return {"row": experiment, "headline": words_of(experiment)[0], "arms": arms}
    is_draft = broadcast.status == BroadcastStatus.DRAFT
    may_add = is_draft and user.can(Capability.COMPOSE_CAMPAIGNS)
    return {"broadcast_id": broadcast.pk} if may_add else {}
