"""Proving that a phone number is one's own, by a code sent to it."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from members.channels.verification import CodeChannel, code_channel
from members.errors import CodeIsVoid, CodeNotSent, NotAPhone, VerificationOff, WrongCode
from members.models import PhoneVerification
from members.rules.codes import KEPT_FOR, MAX_ATTEMPTS, VALID_FOR, is_code, new_code
from members.rules.phones import normalised
from scrm.accounts.models import Enterprise
from scrm.shared.crypto import lookup_digest
from scrm.shared.rate_limits import Limit, use
from scrm.shared.signed_http import ChannelError

logger = logging.getLogger(__name__)

CODES_PER_MINUTE = Limit("codes to a phone, a minute", 1, 60)
CODES_PER_HOUR = Limit("codes to a phone, an hour", 5, 3600)
CODES_PER_CLIENT = Limit("codes for a client", 20, 3600)


def request_code(enterprise: Enterprise, *, phone: str, client: str) -> PhoneVerification:
    """Send a code to a phone, whoever it belongs to: members and strangers are treated alike.

    ``client`` is the address that asks. An earlier code of the phone is void from now on. Raises
    ``TooOften``, ``CannotCount`` while the limits cannot be kept, ``CodeNotSent`` when the sender
    fails. No transaction is open while sending.
    """
    number = normalised(phone)
    if number is None:
        raise NotAPhone(_("这不是手机号，请检查后重新填写。"))
    channel = code_channel()
    if channel is None:
        raise VerificationOff(_("还没有开通手机验证，请联系客服入群。"))
    use(CODES_PER_CLIENT, client)
    everywhere = lookup_digest(number, purpose="codes to a phone", enterprise_id=0)
    use(CODES_PER_MINUTE, everywhere)
    use(CODES_PER_HOUR, everywhere)
    code = new_code()
    verification = _write_down(enterprise, number, code, channel)
    try:
        channel.send(
            phone=number,
            code=code,
            seconds=int(VALID_FOR.total_seconds()),
            key=f"phone-verification-{verification.pk}",
        )
    except ChannelError as error:
        facts = {"verification_id": verification.pk, "reason": error.code}
        logger.warning("no code sent", extra=facts)
        raise CodeNotSent(_("验证码没有发出，请稍后再试。")) from error
    return verification


def confirm_code(verification_id: int, *, code: str) -> PhoneVerification:
    """Check a code; five wrong ones make it void. An attempt counts before it is looked at, so
    guesses at once count as well, and it counts though the answer is a refusal."""
    counted = PhoneVerification.objects.filter(
        pk=verification_id,
        verified_at=None,
        expires_at__gt=Now(),
        attempt_count__lt=MAX_ATTEMPTS,
    ).update(attempt_count=F("attempt_count") + 1)
    if counted != 1:
        raise CodeIsVoid(_("验证码已失效，请重新获取。"))
    verification = PhoneVerification.objects.get(pk=verification_id)
    given = _digest(verification.enterprise_id, verification.phone_digest, code)
    if not is_code(code) or not constant_time_compare(given, verification.code_digest):
        left = MAX_ATTEMPTS - verification.attempt_count
        if left < 1:
            raise CodeIsVoid(_("验证码错了太多次，已失效，请重新获取。"))
        raise WrongCode(_("验证码不对，还可以试 %(count)d 次。") % {"count": left})
    verified = PhoneVerification.objects.filter(pk=verification_id, verified_at=None)
    if verified.update(verified_at=Now(), sandbox_code="") != 1:
        raise CodeIsVoid(_("验证码已失效，请重新获取。"))
    verification.refresh_from_db()
    return verification


def forget_phones(now: datetime) -> int:
    """Delete verifications that nobody can use any more, and with them the numbers."""
    deleted, _counts = PhoneVerification.objects.filter(sent_at__lt=now - KEPT_FOR).delete()
    return deleted


@transaction.atomic
def _write_down(
    enterprise: Enterprise, number: str, code: str, channel: CodeChannel
) -> PhoneVerification:
    digest = lookup_digest(number, purpose="phone", enterprise_id=enterprise.pk)
    former = PhoneVerification.objects.filter(
        enterprise=enterprise, phone_digest=digest, verified_at=None, expires_at__gt=Now()
    )
    former.update(expires_at=Now(), sandbox_code="")
    return PhoneVerification.objects.create(
        enterprise=enterprise,
        phone=number,
        phone_digest=digest,
        code_digest=_digest(enterprise.pk, digest, code),
        sandbox_code=code if channel.shows_code else "",
        expires_at=Now() + VALID_FOR,
    )


def _digest(enterprise_id: int, phone_digest: str, code: str) -> str:
    return lookup_digest(
        f"{phone_digest}\0{code}", purpose="one-time code", enterprise_id=enterprise_id
    )
