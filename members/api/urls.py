from django.urls import path

from members.api.activity import ActivityViewSet, MemberDayViewSet
from members.api.blocklist import BlocklistViewSet
from members.api.churn_score import ChurnScoreViewSet
from members.api.classification import ClassificationReportView, MemberClassificationViewSet
from members.api.community_day import CommunityDayViewSet, CommunityMetricListView
from members.api.consent import ConsentViewSet
from members.api.criteria import (
    CriterionCheckView,
    CriterionChoicesView,
    CriterionEstimateView,
    CriterionSchemaView,
)
from members.api.entry_application import EntryApplicationViewSet
from members.api.evidence import EvidenceViewSet
from members.api.follow import FollowViewSet
from members.api.import_run import ImportRunViewSet
from members.api.insight import InsightViewSet
from members.api.join_way import CapacityViewSet, JoinWayFiguresViewSet
from members.api.member import MemberViewSet
from members.api.membership import MembershipViewSet, StayViewSet
from members.api.metric import MetricListView
from members.api.owner_day import OwnerDayViewSet
from members.api.prediction import PredictionModelViewSet, ScoreCheckViewSet
from members.api.purchase import PurchaseViewSet
from members.api.split_invitation import SplitInvitationViewSet
from members.api.split_plan import SplitBranchViewSet, SplitPlanViewSet
from members.api.tag import TagViewSet
from members.api.tier import MemberTiersViewSet, TierAssignmentViewSet, TierSchemeFiguresViewSet
from members.api.value import MemberValueViewSet, ValueMatrixView
from scrm.shared.api.routers import RowRouter

router = RowRouter()
router.register("members", MemberViewSet, basename="member")
router.register("entry-applications", EntryApplicationViewSet, basename="entry-application")
router.register("evidence", EvidenceViewSet, basename="evidence")
router.register("blocklist", BlocklistViewSet, basename="blocklist-entry")
router.register("memberships", MembershipViewSet, basename="membership")
router.register("stays", StayViewSet, basename="stay")
router.register("follows", FollowViewSet, basename="follow")
router.register("member-days", MemberDayViewSet, basename="member-day")
router.register("community-days", CommunityDayViewSet, basename="community-day")
router.register("import-runs", ImportRunViewSet, basename="import-run")
router.register("split-plans", SplitPlanViewSet, basename="split-plan")
router.register("split-branches", SplitBranchViewSet, basename="split-branch")
router.register("split-invitations", SplitInvitationViewSet, basename="split-invitation")
router.register("tier-assignments", TierAssignmentViewSet, basename="tier-assignment")
router.register("platform-statistics", OwnerDayViewSet, basename="platform-statistic")
router.register("member-values", MemberValueViewSet, basename="member-value")
router.register("churn-scores", ChurnScoreViewSet, basename="churn-score")
router.register("prediction-models", PredictionModelViewSet, basename="prediction-model")
router.register("score-checks", ScoreCheckViewSet, basename="score-check")
router.register(
    "member-classifications", MemberClassificationViewSet, basename="member-classification"
)
router.register("tags", TagViewSet, basename="tag")
router.register("consents", ConsentViewSet, basename="consent")


class RouterOfBatches(RowRouter):
    """With or without the last slash: a redirect would lose the body of a POST."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


batches = RouterOfBatches()
batches.register("activities", ActivityViewSet, basename="activity")
batches.register("purchases", PurchaseViewSet, basename="purchase")

urlpatterns = [
    path("value-matrix/", ValueMatrixView.as_view(), name="value-matrix"),
    path("metrics/", MetricListView.as_view(), name="metrics"),
    path("community-metrics/", CommunityMetricListView.as_view(), name="community-metrics"),
    path(
        "classification-report/", ClassificationReportView.as_view(), name="classification-report"
    ),
    path("criteria/schema/", CriterionSchemaView.as_view(), name="criteria-schema"),
    path("criteria/check/", CriterionCheckView.as_view(), name="criteria-check"),
    path("criteria/estimate/", CriterionEstimateView.as_view(), name="criteria-estimate"),
    path("criteria/choices/", CriterionChoicesView.as_view(), name="criteria-choices"),
    *router.urls,
    *batches.urls,
    path(
        "join-ways/<int:pk>/figures/",
        JoinWayFiguresViewSet.as_view({"get": "figures"}),
        name="join-way-figures",
    ),
    path(
        "join-ways/sources/",
        JoinWayFiguresViewSet.as_view({"get": "sources"}),
        name="join-way-sources",
    ),
    path(
        "communities/<int:pk>/capacity/",
        CapacityViewSet.as_view({"get": "retrieve"}),
        name="community-capacity",
    ),
    path(
        "communities/<int:pk>/insight/",
        InsightViewSet.as_view({"get": "figures"}),
        name="community-insight",
    ),
    path(
        "communities/<int:pk>/insight/heat-map/",
        InsightViewSet.as_view({"get": "heat"}),
        name="community-insight-heat-map",
    ),
    path(
        "communities/<int:pk>/insight/retention/",
        InsightViewSet.as_view({"get": "retention"}),
        name="community-insight-retention",
    ),
    path(
        "communities/<int:pk>/insight/paths/",
        InsightViewSet.as_view({"get": "paths"}),
        name="community-insight-paths",
    ),
    path(
        "communities/<int:pk>/insight/health/",
        InsightViewSet.as_view({"get": "health"}),
        name="community-insight-health",
    ),
    path(
        "members/<int:pk>/retier/",
        MemberTiersViewSet.as_view({"post": "retier"}),
        name="member-retier",
    ),
    path(
        "tier-schemes/<int:pk>/distribution/",
        TierSchemeFiguresViewSet.as_view({"get": "distribution"}),
        name="tier-scheme-distribution",
    ),
    path(
        "tier-schemes/<int:pk>/retier/",
        TierSchemeFiguresViewSet.as_view({"post": "retier"}),
        name="tier-scheme-retier",
    ),
]
