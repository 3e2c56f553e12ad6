"""Short ways to an experiment in a state, through its verbs."""

from datetime import time

from campaigns.rules.designs import ArmDraft
from campaigns.rules.experiments import ExperimentKind, ExperimentMetric, ExperimentUnit
from campaigns.rules.status import BroadcastStatus
from campaigns.services.experimenting import create_experiment

TEXTS = (ArmDraft("原文"), ArmDraft("短文案", body="来看看，{{昵称}}"))
HOURS = (ArmDraft("早八点", local_time=time(8)), ArmDraft("晚八点", local_time=time(20)))


def experiment_on(broadcast, **values):
    """On a broadcast in any state: the experiment is written while it is a draft."""
    status = broadcast.status
    type(broadcast).objects.filter(pk=broadcast.pk).update(status=BroadcastStatus.DRAFT)
    design = {
        "kind": ExperimentKind.TEXT,
        "unit": ExperimentUnit.MEMBER,
        "metric": ExperimentMetric.ORDERED,
        "arms": TEXTS,
    }
    experiment = create_experiment(broadcast, actor=broadcast.author, **(design | values))
    type(broadcast).objects.filter(pk=broadcast.pk).update(status=status)
    return experiment
