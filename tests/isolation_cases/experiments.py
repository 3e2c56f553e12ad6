"""The part of campaigns' cases that is about experiments."""

from datetime import timedelta

from django.utils import timezone

from campaigns.models import Experiment, ExperimentArm
from campaigns.rules.experiments import ExperimentStatus
from scrm.accounts.rules.roles import Role
from tests.campaigns.broadcasts import BroadcastFactory
from tests.isolation import Call

RESULT = {
    "code": "better",
    "is_final": True,
    "winner": 2,
    "srm_p": 1.0,
    "arms": [],
    "comparisons": [],
    "against_nobody": [],
    "leaves": [],
    "variance_cut": 0.0,
}


def build(world):
    for noun, values in (
        ("experiment", {}),
        ("unwanted experiment", {}),
        ("running experiment", begun(ExperimentStatus.RUNNING)),
        ("doomed experiment", begun(ExperimentStatus.RUNNING)),
        ("ended experiment", {**begun(ExperimentStatus.ENDED), "result": RESULT}),
    ):
        world.rows[noun] = experiment_for(world, noun, **values)


def begun(status):
    now = timezone.now()
    return {"status": status, "starts_on": now.date(), "ends_at": now + timedelta(days=7)}


def experiment_for(world, noun, **values):
    broadcast = BroadcastFactory(
        author=world.users[Role.OPERATOR],
        communities=[world.rows["community"]],
        channel_account=world.rows["channel account"],
        name=f"{world.mark}{noun}",
        body=f"{world.mark}你好",
    )
    experiment = Experiment.objects.create(
        broadcast=broadcast, kind="text", unit="member", metric="ordered", salt="salt", **values
    )
    for number, body in ((1, ""), (2, f"{world.mark}短文案")):
        ExperimentArm.objects.create(
            experiment=experiment, number=number, name=f"{world.mark}{number}", body=body
        )
    return experiment


def new_experiment(world):
    arms = [{"name": "原文"}, {"name": "短文案", "body": "来看看"}]
    return {
        "broadcast": world["draft"].pk,
        "kind": "text",
        "unit": "member",
        "metric": "ordered",
        "arms": arms,
    }


API = {
    "experiment-list": {"get": Call(), "post": Call(body=new_experiment, answers=(201,))},
    "experiment-detail": {
        "get": Call(row="experiment"),
        "patch": Call(row="experiment", body=lambda w: {"window_hours": 48}),
        "delete": Call(row="unwanted experiment", answers=(204,)),
    },
    "experiment-evaluate": {"post": Call(row="running experiment")},
    "experiment-end": {"post": Call(row="running experiment", answers=(409,))},
    "experiment-abandon": {"post": Call(row="doomed experiment")},
    "experiment-apply": {"post": Call(row="ended experiment")},
    "experiment-sample-size": {"post": Call(body=lambda w: {"baseline": 0.2, "effect": 0.05})},
}

ADMIN = {"campaigns.experiment": "experiment"}

ADMIN_URLS = {
    "campaigns_experiment_look": Call(row="running experiment"),
    "campaigns_experiment_end": Call(row="running experiment"),
    "campaigns_experiment_abandon": Call(row="doomed experiment"),
    "campaigns_experiment_apply": Call(row="ended experiment", body=lambda w: {"arm": 2}),
}
