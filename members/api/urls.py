from django.urls import path

from members.api.activity import ActivityViewSet, MemberDayViewSet
from members.api.churn_score import ChurnScoreViewSet
from members.api.entry_application import EntryApplicationViewSet
from members.api.import_run import ImportRunViewSet
from members.api.join_way import CapacityViewSet, JoinWayFiguresViewSet
from members.api.member import MemberViewSet
from members.api.membership import MembershipViewSet, StayViewSet
from members.api.metric import MetricListView
from members.api.purchase import PurchaseViewSet
from scrm.shared.api.routers import RowRouter

router = RowRouter()
router.register("members", MemberViewSet, basename="member")
router.register("entry-applications", EntryApplicationViewSet, basename="entry-application")
router.register("memberships", MembershipViewSet, basename="membership")
router.register("stays", StayViewSet, basename="stay")
router.register("member-days", MemberDayViewSet, basename="member-day")
router.register("import-runs", ImportRunViewSet, basename="import-run")
router.register("churn-scores", ChurnScoreViewSet, basename="churn-score")


class RouterOfBatches(RowRouter):
    """With or without the last slash: a redirect would lose the body of a POST."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


batches = RouterOfBatches()
batches.register("activities", ActivityViewSet, basename="activity")
batches.register("purchases", PurchaseViewSet, basename="purchase")

urlpatterns = [
    path("metrics/", MetricListView.as_view(), name="metrics"),
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
]
