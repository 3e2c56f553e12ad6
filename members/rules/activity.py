"""What counts as a sign of life."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ActivityKind(TextChoices):
    MESSAGE = "message", _("发言")
    POST = "post", _("发帖")
    COMMENT = "comment", _("评论")
    LIKE = "like", _("点赞")
    SHARE = "share", _("转发")
    CLICK = "click", _("点击")
    CHECKIN = "checkin", _("打卡")
    SUBMISSION = "submission", _("提交作业")
    REVIEW = "review", _("点评")
    ATTENDANCE = "attendance", _("参加活动")
    RED_PACKET = "red_packet", _("领红包")
