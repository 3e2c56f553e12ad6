"""The part of members' cases that is about fitted models and how right they were."""

from members.rules.predictions import ModelStatus
from tests.isolation import Call
from tests.members.prediction_factories import PredictionModelFactory, ScoreCheckFactory


def build(world):
    home = {"enterprise": world.enterprise, "community": world.rows["community"]}
    world.rows["prediction model"] = PredictionModelFactory(
        **home, version=f"{world.mark}在用", status=ModelStatus.ACTIVE
    )
    world.rows["former model"] = PredictionModelFactory(
        **home, version=f"{world.mark}旧模型", status=ModelStatus.RETIRED
    )
    world.rows["score check"] = ScoreCheckFactory(**home, model_version=f"{world.mark}在用")


API = {
    "prediction-model-list": {"get": Call()},
    "prediction-model-detail": {"get": Call(row="prediction model")},
    "prediction-model-activate": {"post": Call(row="former model")},
    "prediction-model-retire": {"post": Call(row="prediction model")},
    "score-check-list": {"get": Call()},
    "score-check-detail": {"get": Call(row="score check")},
}

ADMIN = {
    "members.predictionmodel": "prediction model",
    "members.scorecheck": "score check",
}

ADMIN_URLS = {
    "members_predictionmodel_activate": Call(row="former model"),
    "members_predictionmodel_retire": Call(row="prediction model"),
}
