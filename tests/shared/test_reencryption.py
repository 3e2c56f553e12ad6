import threading
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from scrm.shared.crypto import decrypt, encrypt
from scrm.shared.reencryption import is_current
from scrm.wecom.models import ChannelAccount
from tests.wecom.factories import ChannelAccountFactory

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def old_secrets(db, settings):
    """Twenty secrets under the old key, and a new key put before it."""
    settings.PII_KEYS = [OLD]
    account = ChannelAccountFactory(secret="s0")
    for number in range(1, 20):
        ChannelAccountFactory(enterprise=account.enterprise, secret=f"s{number}")
    settings.PII_KEYS = [NEW, OLD]


def sealed():
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, secret FROM wecom_channelaccount WHERE secret <> ''")
        return dict(cursor.fetchall())


def reencrypted(*arguments):
    out = StringIO()
    call_command("reencrypt", *arguments, stdout=out)
    return out.getvalue()


def test_every_value_is_written_again_under_the_newest_key(old_secrets, settings):
    assert "20 rewritten, 0 left, 0 unreadable" in reencrypted()
    settings.PII_KEYS = [NEW]
    secrets = ChannelAccount.objects.order_by("pk").values_list("secret", flat=True)
    assert list(secrets) == [f"s{number}" for number in range(20)]


def test_a_second_run_finds_nothing_to_do(old_secrets):
    reencrypted()
    before = sealed()
    assert "20 current, 0 rewritten" in reencrypted()
    assert sealed() == before


def test_the_check_counts_and_changes_nothing(old_secrets):
    before = sealed()
    with pytest.raises(CommandError, match="20 values are not under the newest key"):
        reencrypted("--check")
    assert sealed() == before


def test_a_value_under_a_lost_key_is_named_and_left_alone(old_secrets):
    lost = ChannelAccount.objects.order_by("pk")[3]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE wecom_channelaccount SET secret = %s WHERE id = %s",
            [Fernet(Fernet.generate_key()).encrypt(b"x").decode(), lost.pk],
        )
    out = StringIO()
    with pytest.raises(CommandError, match="1 values cannot be read"):
        call_command("reencrypt", stdout=out)
    assert f"none of the keys opens: {lost.pk}" in out.getvalue()
    assert "19 rewritten" in out.getvalue()


def test_an_empty_text_stays_empty(old_secrets):
    account = ChannelAccountFactory(secret="")
    reencrypted()
    account.refresh_from_db()
    assert account.secret == ""


@pytest.mark.django_db(transaction=True)
def test_what_is_written_during_the_rotation_is_neither_lost_nor_unreadable(settings):
    """One writer knows the new key, one still runs with the old one."""
    settings.PII_KEYS = [OLD]
    account = ChannelAccountFactory(secret="start")
    rows = [account, *(ChannelAccountFactory(enterprise=account.enterprise) for _ in range(29))]
    settings.PII_KEYS = [NEW, OLD]
    last, stop = {}, threading.Event()

    def write(mine, seal):
        number = 0
        while not stop.is_set():
            row = mine[number % len(mine)]
            with connection.cursor() as cursor:
                value = f"v{number}"
                cursor.execute(
                    "UPDATE wecom_channelaccount SET secret = %s WHERE id = %s",
                    [seal(value), row.pk],
                )
            last[row.pk] = value
            number += 1
        connection.close()

    old_box = Fernet(OLD)
    writers = [
        threading.Thread(target=write, args=(rows[:15], encrypt)),
        threading.Thread(
            target=write, args=(rows[15:], lambda text: old_box.encrypt(text.encode()).decode())
        ),
    ]
    for writer in writers:
        writer.start()
    try:
        for _round in range(5):
            call_command("reencrypt", stdout=StringIO())
    except CommandError:
        pass  # the old writer was quicker than all tries for one value
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert len(last) == 30
    assert {pk: decrypt(value) for pk, value in sealed().items()} == last
    reencrypted()
    assert all(is_current(value) for value in sealed().values())
    assert {pk: decrypt(value) for pk, value in sealed().items()} == last
