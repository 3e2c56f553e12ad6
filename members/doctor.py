"""What the self-check asks about the join page: can anybody prove a phone number?"""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from scrm.shared.diagnosis import Finding, check, fine, warning


@check("phone_verification")
def codes_reach_phones() -> Finding:
    title = _("入群页手机验证")
    match settings.VERIFICATION:
        case "webhook" if not settings.VERIFICATION_URL:
            return warning(title, _("没有发送地址"), fix=_("设置 SCRM_VERIFICATION_URL"))
        case "webhook" if not settings.VERIFICATION_SECRET:
            return warning(title, _("没有签名密钥"), fix=_("设置 SCRM_VERIFICATION_SECRET"))
        case "webhook":
            return fine(title, _("由您的短信服务发送"))
        case "sandbox" if settings.EMBEDDED:
            return fine(title, _("演示：验证码显示在页面上"))
        case "sandbox":
            detail = _("验证码显示在页面上，任何人都能冒用别人的号码")
            return warning(title, detail, fix=_("设置 SCRM_VERIFICATION=webhook 和发送地址"))
    detail = _("没有开通，客人不能自助申请入群")
    return warning(title, detail, fix=_("设置 SCRM_VERIFICATION_URL 和 SCRM_VERIFICATION_SECRET"))
