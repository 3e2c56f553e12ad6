import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError
from django.db import connection

from scrm.shared.crypto import Unreadable, decrypt, encrypt, lookup_digest, reencrypt
from scrm.wecom.models import ChannelAccount
from tests.wecom.factories import ChannelAccountFactory

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


def test_a_value_comes_back_and_equal_values_look_different():
    sealed = encrypt("13800138000"), encrypt("13800138000")

    assert sealed[0] != sealed[1]
    assert "138" not in sealed[0]
    assert [decrypt(one) for one in sealed] == ["13800138000"] * 2


def test_a_rotated_key_still_opens_what_the_old_one_closed(settings):
    settings.PII_KEYS = [OLD]
    sealed, digest = encrypt("猫"), lookup_digest("猫", purpose="phone", enterprise_id=1)

    settings.PII_KEYS = [NEW, OLD]
    renewed = reencrypt(sealed)

    assert decrypt(sealed) == decrypt(renewed) == "猫"
    assert lookup_digest("猫", purpose="phone", enterprise_id=1) == digest
    assert Fernet(NEW).decrypt(renewed.encode()).decode() == "猫"


def test_without_the_key_nothing_opens(settings):
    settings.PII_KEYS = [OLD]
    sealed = encrypt("猫")

    settings.PII_KEYS = [OTHER]

    for reading in (decrypt, reencrypt):
        with pytest.raises(Unreadable):
            reading(sealed)


def test_a_digest_tells_values_purposes_and_enterprises_apart():
    digests = {
        lookup_digest(value, purpose=purpose, enterprise_id=enterprise)
        for value in ("a", "b")
        for purpose in ("phone", "name")
        for enterprise in (1, 2)
    }

    assert len(digests) == 8


@pytest.mark.django_db
def test_the_database_never_sees_the_text_of_an_encrypted_field():
    account = ChannelAccountFactory(secret="hush-hush")

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM wecom_channelaccount WHERE id = %s", [account.pk])
        (stored,) = cursor.fetchone()

    assert "hush" not in stored
    assert ChannelAccount.objects.get(pk=account.pk).secret == "hush-hush"


@pytest.mark.django_db
def test_an_encrypted_field_can_be_empty_but_not_looked_up():
    account = ChannelAccountFactory(secret="")

    assert ChannelAccount.objects.get(pk=account.pk).secret == ""
    with pytest.raises(FieldError):
        ChannelAccount.objects.filter(secret="hush-hush")
