from scrm.shared.api.routers import RowRouter
from scrm.wecom.api.api_quota import ApiQuotaViewSet
from scrm.wecom.api.channel_account import ChannelAccountViewSet
from scrm.wecom.api.connection import WecomConnectionViewSet
from scrm.wecom.api.inbound_event import InboundEventViewSet
from scrm.wecom.api.read_request import ReadRequestViewSet
from scrm.wecom.api.sync_run import SyncRunViewSet

router = RowRouter()
router.register("channel-accounts", ChannelAccountViewSet, basename="channel-account")
router.register("wecom-connections", WecomConnectionViewSet, basename="wecom-connection")
router.register("inbound-events", InboundEventViewSet, basename="inbound-event")
router.register("read-requests", ReadRequestViewSet, basename="read-request")
router.register("sync-runs", SyncRunViewSet, basename="sync-run")
router.register("api-quotas", ApiQuotaViewSet, basename="api-quota")

urlpatterns = router.urls
