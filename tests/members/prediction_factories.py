from __future__ import annotations

from datetime import date

from factory import SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from members.models import ChurnForecast, PredictionModel, ScoreCheck
from members.rules.churn import SHIPPED_MODEL
from members.rules.predictions import ModelKind
from tests.communities.factories import CommunityFactory
from tests.members.factories import MembershipFactory


class PredictionModelFactory(DjangoModelFactory):
    """A candidate for the churn coefficients of a community: the shipped ones."""

    class Meta:
        model = PredictionModel

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    kind = ModelKind.CHURN_LOGISTIC
    version = Sequence(lambda n: f"churn-c1-20260104-{n}")
    parameters = SHIPPED_MODEL.parameters()
    trained_until = date(2026, 1, 4)
    row_count = 900
    positive_count = 200


class ScoreCheckFactory(DjangoModelFactory):
    class Meta:
        model = ScoreCheck

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    cut = Sequence(lambda n: date.fromordinal(date(2026, 1, 5).toordinal() + 7 * n))
    model_version = "shipped-1"
    scored_count = 100
    churned_count = 25
    figures = {
        "auc": 0.84,
        "brier": 0.14,
        "bins": [{"from": 0.0, "to": 0.1, "n": 40, "mean_p": 0.05, "rate": 0.06}],
        "at_10": {"n": 10, "hits": 7, "precision": 0.7, "recall": 0.28, "lift": 2.8},
        "silence_at_10": {"n": 10, "hits": 5, "precision": 0.5, "recall": 0.2, "lift": 2.0},
    }


class ChurnForecastFactory(DjangoModelFactory):
    """What was said of somebody who belongs to the community."""

    class Meta:
        model = ChurnForecast

    community = SubFactory(CommunityFactory)
    member = SelfAttribute("membership.member")
    cut = date(2026, 3, 2)
    probability = 0.5
    silence_days = 3
    model_version = "shipped-1"

    class Params:
        membership = SubFactory(MembershipFactory, community=SelfAttribute("..community"))
