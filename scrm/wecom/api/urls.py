from rest_framework.routers import SimpleRouter

from scrm.wecom.api import views

router = SimpleRouter()
router.register("channel-accounts", views.ChannelAccountViewSet, basename="channel-account")

urlpatterns = router.urls
