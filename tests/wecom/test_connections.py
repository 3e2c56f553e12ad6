import pytest

from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.wecom.errors import (
    AppAlreadyConnected,
    ChannelNameTaken,
    CompanyIsInUse,
    ConnectionIsNotPaused,
    ConnectionIsPaused,
    InvalidCredential,
    SimulatorMissing,
    UnknownChannelKind,
)
from scrm.wecom.models import ChannelAccount, ChannelKind, WecomConnection
from scrm.wecom.rules.callback_crypto import is_aes_key
from scrm.wecom.rules.credentials import is_token
from scrm.wecom.rules.status import ConnectionState, Platform
from scrm.wecom.services.channel_accounts import (
    activate_channel_account,
    create_channel_account,
)
from scrm.wecom.services.connections import (
    callback_url,
    callback_verified,
    connect_company,
    edit_connection,
    mark_connected,
    mark_failing,
    pause_connection,
    resume_connection,
    rotate_callback_secrets,
)
from tests.accounts.factories import UserFactory
from tests.wecom.factories import InboundEventFactory, SyncRunFactory, WecomConnectionFactory

pytestmark = pytest.mark.django_db
IDS = {"corp_id": "ww1a2b3c4d5e6f7a8b", "agent_id": 1000002, "app_secret": "s" * 43}


@pytest.fixture
def boss():
    return UserFactory()


@pytest.fixture
def connection(boss):
    return WecomConnectionFactory(enterprise=boss.enterprise)


def again(connection):
    return WecomConnection.objects.select_related("account").get(pk=connection.pk)


def test_a_company_is_connected_as_a_draft_with_an_account_and_secrets_of_its_own(boss, settings):
    settings.PUBLIC_URL = "https://scrm.example.com"
    made = connect_company(actor=boss, **IDS)
    assert made.state == ConnectionState.DRAFT
    assert (made.account.kind, made.account.enterprise) == (ChannelKind.WECOM, boss.enterprise)
    assert is_token(made.callback_token)
    assert is_aes_key(made.callback_aes_key)
    assert callback_url(made) == f"https://scrm.example.com/wecom/callback/{made.callback_key}"


def test_secrets_are_in_no_audit_record(boss):
    made = connect_company(actor=boss, **IDS)
    edit_connection(made.pk, actor=boss, app_secret="t" * 43)
    rotate_callback_secrets(made.pk, actor=boss)
    made = again(made)
    told = str(list(AuditEvent.objects.values("verb", "before", "after")))
    assert not [s for s in (IDS["app_secret"], "t" * 43, made.callback_token) if s in told]
    assert "***" in told


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("corp_id", "我的企业"),
        ("corp_id", ""),
        ("corp_id", "w" * 65),
        ("agent_id", 0),
        ("agent_id", -1),
        ("agent_id", 2**31),
        ("app_secret", ""),
        ("app_secret", "a secret"),
        ("callback_token", "t" * 33),
        ("callback_token", "to-ken"),
        ("callback_aes_key", "k" * 42),
        ("callback_aes_key", "k" * 42 + "="),
        ("platform", "dingtalk"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_by_its_name(boss, field, value):
    with pytest.raises(InvalidCredential) as refusal:
        connect_company(actor=boss, **{**IDS, field: value})
    assert refusal.value.field == field
    assert not ChannelAccount.objects.exists()


def test_the_simulator_can_be_chosen_only_where_there_is_one(boss, settings):
    settings.WECOM_SIMULATOR_URL = ""
    with pytest.raises(SimulatorMissing):
        connect_company(actor=boss, **IDS, platform=Platform.SIMULATOR)


def test_an_app_is_connected_once_and_a_name_is_used_once(boss):
    connect_company(actor=boss, **IDS, name="总部")
    with pytest.raises(AppAlreadyConnected):
        connect_company(actor=UserFactory(), **IDS)
    with pytest.raises(ChannelNameTaken):
        connect_company(actor=boss, **{**IDS, "agent_id": 1000003}, name="总部")
    assert WecomConnection.objects.count() == ChannelAccount.objects.count() == 1


def test_what_is_not_given_stays_as_it_is(boss, connection):
    edit_connection(connection.pk, actor=boss, name="分部", app_secret="")
    edited = again(connection)
    assert edited.account.name == "分部"
    assert (edited.corp_id, edited.app_secret) == (connection.corp_id, connection.app_secret)


def test_the_ids_can_be_corrected_until_something_was_read_or_received(boss, connection):
    SyncRunFactory(connection=connection, state="failed")  # read nothing
    edit_connection(connection.pk, actor=boss, corp_id="ww0000000000000abc")
    assert again(connection).corp_id == "ww0000000000000abc"
    InboundEventFactory(connection=connection)
    with pytest.raises(CompanyIsInUse):
        edit_connection(connection.pk, actor=boss, agent_id=1000009)
    edit_connection(connection.pk, actor=boss, app_secret="t" * 43)
    assert again(connection).app_secret == "t" * 43


def test_the_former_secrets_are_kept_until_the_platform_has_verified_the_new(boss, connection):
    callback_verified(connection)
    first = again(connection)
    second = rotate_callback_secrets(connection.pk, actor=boss)
    assert second.former_callback_token == first.callback_token
    third = rotate_callback_secrets(connection.pk, actor=boss)  # the platform never saw the second
    assert third.former_callback_token == first.callback_token
    callback_verified(second)  # too late: replaced meanwhile
    assert again(connection).former_callback_token == first.callback_token
    callback_verified(third)
    assert again(connection).former_callback_token == ""
    assert again(connection).callback_token == third.callback_token


def test_secrets_that_the_platform_never_had_are_not_kept(boss, connection):
    assert rotate_callback_secrets(connection.pk, actor=boss).former_callback_token == ""


def test_a_paused_connection_sends_nothing_and_is_not_disturbed(boss, connection):
    mark_failing(connection.pk, 40001)
    paused = pause_connection(connection.pk, actor=boss)
    assert (paused.state, paused.account.is_active) == ("paused", False)
    assert OperatorTask.objects.get().status == "done"
    mark_failing(connection.pk, 40001)
    mark_connected(connection.pk)
    pause_connection(connection.pk, actor=boss)
    assert again(connection).state == "paused"
    assert AuditEvent.objects.filter(verb="pause_connection").count() == 1


def test_a_resumed_connection_is_what_it_was(boss, connection):
    pause_connection(connection.pk, actor=boss)
    assert resume_connection(connection.pk, actor=boss).state == ConnectionState.DRAFT
    InboundEventFactory(connection=connection)
    pause_connection(connection.pk, actor=boss)
    resumed = resume_connection(connection.pk, actor=boss)
    assert (resumed.state, resumed.account.is_active) == ("connected", True)
    with pytest.raises(ConnectionIsNotPaused):
        resume_connection(connection.pk, actor=boss)


def test_a_connection_fails_since_the_first_refusal_and_one_task_tells_the_latest(connection):
    mark_failing(connection.pk, 40001)
    first = again(connection)
    mark_failing(connection.pk, 60020)
    second = again(connection)
    assert (first.state_since, first.state) == (second.state_since, "failing")
    assert second.state_code == "60020"
    task = OperatorTask.objects.get()
    assert task.details["code"] == "60020"
    assert "60020" in task.details["words"]
    mark_connected(connection.pk)
    assert (again(connection).state, again(connection).state_code) == ("connected", "")


def test_a_working_connection_costs_one_query_to_confirm(connection, django_assert_num_queries):
    with django_assert_num_queries(3):  # with the transaction around it
        mark_connected(connection.pk)


def test_a_draft_that_fails_stays_a_draft_and_asks_nobody(boss):
    draft = connect_company(actor=boss, **IDS)
    mark_failing(draft.pk, 40001)
    assert (again(draft).state, again(draft).state_code) == ("draft", "40001")
    assert not OperatorTask.objects.exists()


@pytest.mark.parametrize(
    "verb", [edit_connection, rotate_callback_secrets, pause_connection, resume_connection]
)
def test_a_stranger_changes_nothing(connection, verb):
    with pytest.raises(WecomConnection.DoesNotExist):
        verb(connection.pk, actor=UserFactory())


def test_a_channel_account_of_wecom_comes_and_goes_with_its_connection(boss, connection):
    with pytest.raises(UnknownChannelKind):
        create_channel_account(actor=boss, name="企业微信", kind="wecom")
    pause_connection(connection.pk, actor=boss)
    with pytest.raises(ConnectionIsPaused):
        activate_channel_account(connection.account_id, actor=boss)
