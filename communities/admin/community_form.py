from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminIntegerFieldWidget

from communities.models import Community
from communities.rules.kinds import ContentCategory
from scrm.accounts.admin_scope import EnterpriseForm


class CommunityForm(EnterpriseForm):
    """With what may be sent to the community."""

    allowed_categories = forms.MultipleChoiceField(
        label=_("允许的内容类别"),
        choices=ContentCategory.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("留空表示都允许；服务类总是允许。"),
    )
    advert_share_limit = forms.IntegerField(
        label=_("广告占比上限（%）"),
        required=False,
        min_value=0,
        max_value=100,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_(
            "近几天的消息里广告超过这个比例就不再发广告；留空用企业的规则，不能比企业的更宽。"
        ),
    )

    class Meta:
        model = Community
        fields = "__all__"
