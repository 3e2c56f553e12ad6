from scrm.shared.api.routers import RowRouter
from scrm.wecom.api import views

router = RowRouter()
router.register("channel-accounts", views.ChannelAccountViewSet, basename="channel-account")

urlpatterns = router.urls
