import re
import threading
from http import HTTPStatus

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from redis.exceptions import ConnectionError as RedisGone

from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from members.models import Consent, EntryApplication, Evidence, Member, PhoneVerification
from members.rules.standing import ConsentDecision
from members.rules.status import ApplicationStatus, JoinSource
from members.services.registering import edit_member
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationValueFactory,
    CommunityFactory,
    EntryPolicyFactory,
    GroupChatFactory,
    JoinWayFactory,
    TierFactory,
)
from tests.members.factories import MemberFactory, MembershipFactory
from tests.members.pictures import jpeg, upload

PHONE = "13800138000"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox(settings):
    settings.VERIFICATION = "sandbox"


@pytest.fixture
def community():
    return CommunityFactory(join_slug="cats", name="猫友会")


def said(response):
    return response.content.decode()


def ask_for_code(client, slug="cats", phone=PHONE, **extra):
    return client.post(f"/join/{slug}/code", {"phone": phone}, **extra)


def sent_code():
    return PhoneVerification.objects.latest("pk").sandbox_code


def prove(client, slug="cats", phone=PHONE):
    ask_for_code(client, slug, phone)
    response = client.post(f"/join/{slug}/confirm", {"code": sent_code()})
    assert response.status_code == HTTPStatus.SEE_OTHER
    cache.clear()  # the next number may be asked for at once
    return client


def registered(enterprise, phone=PHONE, **fields):
    member = MemberFactory(enterprise=enterprise, **fields)
    return edit_member(member.pk, actor=UserFactory(enterprise=enterprise), phone=phone)


def visitor(community, phone=PHONE):
    return prove(Client(), community.join_slug, phone)


def with_photo_rule(community, **policy):
    """The community asks for a photo of the breed."""
    axis = ClassificationAxisFactory(enterprise=community.enterprise, name="品种")
    value = ClassificationValueFactory(axis=axis, name="柯基")
    community.entry_policies.update(is_active=False)
    policy = EntryPolicyFactory(community=community, **policy)
    policy.evidence_axes.add(axis)
    return value


def send_photo(client, value, data=None, slug="cats", **fields):
    body = {"value": value.pk, "photo": upload(jpeg() if data is None else data), "consent": "on"}
    return client.post(f"/join/{slug}/photo", body | fields)


# --- reading ---


def test_anybody_reads_who_it_is_for_and_what_it_takes(client, community):
    community.minimum_tier = TierFactory(
        scheme__enterprise=community.enterprise,
        name="金卡",
        criterion={"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90},
    )
    community.save()
    with_photo_rule(
        community,
        mode=EntryMode.RULE_AND_REVIEW,
        criterion={"metric": "post_count", "op": "gte", "value": 10, "window_days": 90},
    )

    response = client.get("/join/cats")

    text = said(response)
    assert response.status_code == HTTPStatus.OK
    for words in (
        "猫友会",
        "养猫的人",
        "互相帮忙照看",
        "金卡",
        "购买次数 ≥ 3",
        "发帖数 ≥ 10",
        "品种",
    ):
        assert words in text
    assert "由工作人员审核" in text
    assert "正在接受申请" in text


def test_the_page_is_in_english_for_who_reads_english(client, community):
    response = client.get("/join/cats", headers={"accept-language": "en"})

    assert '<html lang="en">' in said(response)


@pytest.mark.parametrize("status", [CommunityStatus.DRAFT, CommunityStatus.CANCELLED])
def test_a_draft_is_as_unknown_as_a_slug_that_never_was(client, status):
    CommunityFactory(join_slug="secret", name="秘密社群", draft=True, status=status)

    drafted, unknown = client.get("/join/secret"), client.get("/join/never-was")

    assert drafted.status_code == unknown.status_code == HTTPStatus.NOT_FOUND
    assert drafted.content == unknown.content


@pytest.mark.parametrize(
    "status", [CommunityStatus.CLOSING, CommunityStatus.DISSOLVED, CommunityStatus.ARCHIVED]
)
def test_of_a_community_that_is_over_nothing_is_told(client, community, status):
    community.status = status
    community.save()

    text = said(client.get("/join/cats"))

    assert "不再接收新成员" in text
    assert "猫友会" not in text
    assert "养猫" not in text


def test_a_paused_community_takes_nobody(client, community):
    community.status = CommunityStatus.PAUSED
    community.save()
    prove(client)

    response = client.post("/join/cats/apply", {"nickname": "小明"})

    assert response.status_code == HTTPStatus.CONFLICT
    assert "暂不接受申请" in said(response)
    assert not Member.objects.filter(nickname="小明").exists()


def test_the_page_lets_nothing_in_from_outside(client, community):
    response = client.get("/join/cats")

    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response["Cache-Control"] == "no-store"
    assert not re.findall(r'(?:src|href)="(?!/)', said(response))
    assert "<style" not in said(response)
    assert "style=" not in said(response)


def test_without_a_sender_the_page_says_whom_to_ask(client, community, settings):
    settings.VERIFICATION = "none"

    assert "请联系客服入群" in said(client.get("/join/cats"))
    response = ask_for_code(client)
    assert response.status_code == HTTPStatus.CONFLICT
    assert not PhoneVerification.objects.exists()


# --- proving a number ---


def test_the_code_is_shown_where_nobody_receives_it(client, community):
    response = ask_for_code(client)
    shown = said(client.get(response.url))

    assert response.url == "/join/cats/code"
    assert sent_code() in shown
    assert "演示环境" in shown
    assert "138****8000" in shown
    assert PHONE not in shown


def test_known_and_unknown_numbers_get_the_same_answer_for_the_same_work(community):
    registered(community.enterprise)
    stranger, member = Client(), Client()
    ask_for_code(Client(), phone="13900139999", REMOTE_ADDR="10.0.0.9")  # warms up

    with CaptureQueriesContext(
        connection,
    ) as for_stranger:
        one = ask_for_code(stranger, phone="13900139000", REMOTE_ADDR="10.0.0.1")
    with CaptureQueriesContext(connection) as for_member:
        other = ask_for_code(member, phone=PHONE, REMOTE_ADDR="10.0.0.1")

    assert (one.status_code, one.url) == (other.status_code, other.url)
    assert one.content == other.content
    assert len(for_stranger) == len(for_member)
    pages = [said(one.get("/join/cats/code")) for one in (stranger, member)]
    pages = [re.sub(r'(value="[^"]{64}"|<b>\d{6}</b>|<b>1.*?</b>)', "", page) for page in pages]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("phone", ["", "12", "' OR 1=1 --", "1380013800a", "1" * 41, "١٢٣٤٥٦٧٨"])
def test_what_is_no_number_is_said_to_be_none(client, community, phone):
    response = ask_for_code(client, phone=phone)

    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert 'role="alert"' in said(response)


def test_guessing_a_code_ends_after_five_tries(client, community):
    ask_for_code(client)
    right = sent_code()
    wrong = [f"{number:06}" for number in range(6) if f"{number:06}" != right][:5]

    answers = [client.post("/join/cats/confirm", {"code": code}) for code in wrong]
    late = client.post("/join/cats/confirm", {"code": right})

    assert [answer.status_code for answer in answers] == [400] * 4 + [409]
    assert late.status_code == HTTPStatus.CONFLICT
    assert not PhoneVerification.objects.exclude(verified_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_guesses_at_once_count_as_well(community):
    client = Client()
    ask_for_code(client)
    right = sent_code()
    wrong = [f"{number:06}" for number in range(13) if f"{number:06}" != right][:12]
    cookies = client.cookies.output(header="", sep=";").strip()
    answers = []

    def guess(code):
        answers.append(
            Client(headers={"cookie": cookies})
            .post("/join/cats/confirm", {"code": code})
            .status_code
        )
        connection.close()

    threads = [threading.Thread(target=guess, args=[code]) for code in wrong]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert PhoneVerification.objects.get().attempt_count == 5
    assert set(answers) <= {400, 409}


def test_a_code_is_good_for_five_minutes_and_once(client, community):
    ask_for_code(client)
    code = sent_code()
    PhoneVerification.objects.update(expires_at="2026-01-01T00:00:00Z")
    assert client.post("/join/cats/confirm", {"code": code}).status_code == HTTPStatus.CONFLICT

    cache.clear()
    prove(client)
    assert PhoneVerification.objects.latest("pk").sandbox_code == ""
    assert client.post("/join/cats/confirm", {"code": code}).url == "/join/cats"  # nothing awaited


def test_a_new_code_makes_the_former_void(client, community):
    ask_for_code(client)
    former = PhoneVerification.objects.get()
    cache.clear()
    client.post("/join/cats/code", {"again": "1"})

    former.refresh_from_db()
    assert former.expires_at <= PhoneVerification.objects.latest("pk").sent_at
    assert former.sandbox_code == ""


def test_a_code_is_kept_only_as_a_digest(client, community, settings):
    ask_for_code(client)

    row = PhoneVerification.objects.values().get()
    code = row.pop("sandbox_code")
    assert not any(code == str(value) for value in row.values())


def test_a_code_typed_as_people_type_is_understood(client, community):
    ask_for_code(client)
    code = sent_code()
    typed = f" {code[:3]} {code[3:]} ".translate({ord(str(n)): chr(0xFF10 + n) for n in range(10)})

    assert client.post("/join/cats/confirm", {"code": typed}).status_code == HTTPStatus.SEE_OTHER


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２", "x" * 21])
def test_what_is_no_code_is_refused(client, community, code):
    ask_for_code(client)

    assert client.post("/join/cats/confirm", {"code": code}).status_code == HTTPStatus.BAD_REQUEST


# --- applying ---


def test_a_stranger_becomes_a_member_by_applying(client, community):
    GroupChatFactory(community=community, join_url="https://work.weixin.qq.com/gm/abc")
    way = JoinWayFactory(community=community)
    prove(client)
    assert "怎么称呼您" in said(client.get("/join/cats"))
    assert not Member.objects.exists()

    response = client.post(f"/join/cats/apply?via={way.code}", {"nickname": "小明"})

    assert (response.status_code, response.url) == (303, f"/join/cats?via={way.code}")
    application = EntryApplication.objects.get()
    member = application.member
    assert (member.nickname, member.phone) == ("小明", PHONE)
    assert member.external_id.startswith("join-")
    assert application.source == JoinSource.JOIN_PAGE
    assert application.join_way == way
    text = said(client.get("/join/cats"))
    assert "您已加入" in text
    assert 'href="https://work.weixin.qq.com/gm/abc"' in text
    assert "<svg" in text


def test_a_member_is_found_by_the_number(client, community):
    member = registered(community.enterprise, nickname="老王")
    prove(client)
    assert "怎么称呼您" not in said(client.get("/join/cats"))

    client.post("/join/cats/apply")

    assert EntryApplication.objects.get().member == member
    assert Member.objects.count() == 1


def test_without_a_link_the_page_says_who_will_call(client, community):
    GroupChatFactory(community=community)
    prove(client)
    client.post("/join/cats/apply", {"nickname": "小明"})

    assert "客服会拉您入群" in said(client.get("/join/cats"))


def test_a_way_of_another_community_is_not_credited(client, community):
    other = JoinWayFactory()
    prove(client)
    client.post(f"/join/cats/apply?via={other.code}", {"nickname": "小明"})

    assert EntryApplication.objects.get().join_way is None


def test_a_via_that_is_no_code_goes_no_further(client, community):
    text = said(client.get('/join/cats?via="><script>alert(1)</script>'))

    assert "alert" not in text
    assert "via=" not in text


def test_applying_again_shows_the_application(client, community):
    prove(client)
    client.post("/join/cats/apply", {"nickname": "小明"})  # no chat yet: it waits

    response = client.post("/join/cats/apply", {"nickname": "小明"})

    assert (response.status_code, response.url) == (303, "/join/cats")
    assert EntryApplication.objects.count() == 1
    assert "已通过，等待入群" in said(client.get("/join/cats"))


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_make_one_application_and_one_member(community):
    cookies = visitor(community).cookies.output(header="", sep=";").strip()
    barrier = threading.Barrier(2)
    answers = []

    def click():
        barrier.wait()
        client = Client(headers={"cookie": cookies})
        answers.append(client.post("/join/cats/apply", {"nickname": "小明"}).status_code)
        connection.close()

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [303, 303]
    assert Member.objects.count() == EntryApplication.objects.count() == 1


def test_a_refusal_says_what_is_missing(client, community):
    community.entry_policies.update(
        mode=EntryMode.RULE,
        criterion={"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90},
    )
    prove(client)
    client.post("/join/cats/apply", {"nickname": "小明"})

    text = said(client.get("/join/cats"))

    assert "没有通过" in text
    assert "还差 3" in text
    assert "再次申请" in text


@pytest.mark.parametrize("nickname", ["", "   ", "名" * 31, "a\x00b", "a\u202eb", "a\nb"])
def test_a_nickname_that_cannot_be_shown_is_refused(client, community, nickname):
    prove(client)

    response = client.post("/join/cats/apply", {"nickname": nickname})

    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert not Member.objects.exists()


def test_a_nickname_is_text_and_nothing_else(client, community):
    GroupChatFactory(community=community)
    prove(client)
    client.post("/join/cats/apply", {"nickname": "<img src=x onerror=a()>"})

    text = said(client.get("/join/cats"))

    assert "&lt;img src=x" in text
    assert "<img" not in text


def test_only_the_invited_enter_by_invitation(client, community):
    community.entry_policies.update(mode=EntryMode.INVITE_ONLY)
    prove(client)

    text = said(client.get("/join/cats"))

    assert "只接受邀请" in text
    assert 'action="/join/cats/apply"' not in text


def test_a_decision_that_can_be_undone_is_not_told(client, community):
    member = registered(community.enterprise)
    prove(client)
    EntryApplication.objects.create(
        enterprise=community.enterprise,
        community=community,
        member=member,
        policy=community.entry_policies.get(),
        source=JoinSource.JOIN_PAGE,
        status=ApplicationStatus.REJECTED,
        reason="照片看不清",
        settles_at="2100-01-01T00:00:00Z",
    )

    text = said(client.get("/join/cats"))
    assert "审核中" in text
    assert "照片看不清" not in text

    EntryApplication.objects.update(settles_at=None)
    assert "照片看不清" in said(client.get("/join/cats"))


def test_an_application_can_be_taken_back(client, community):
    prove(client)
    client.post("/join/cats/apply", {"nickname": "小明"})

    client.post("/join/cats/withdraw")

    assert EntryApplication.objects.get().status == ApplicationStatus.WITHDRAWN
    assert "申请已结束" in said(client.get("/join/cats"))
    assert client.post("/join/cats/withdraw").status_code == HTTPStatus.NOT_FOUND


# --- photos ---


def test_a_photo_is_asked_for_and_handed_in(client, community):
    value = with_photo_rule(community)
    prove(client)
    client.post("/join/cats/apply", {"nickname": "小明"})
    assert EntryApplication.objects.get().status == ApplicationStatus.EVIDENCE_PENDING
    assert "柯基" in said(client.get("/join/cats"))

    response = send_photo(client, value)

    assert (response.status_code, response.url) == (303, "/join/cats")
    evidence = Evidence.objects.get()
    assert (evidence.value, evidence.width) == (value, 640)
    assert EntryApplication.objects.get().status == ApplicationStatus.IN_REVIEW
    consent = Consent.objects.get()
    assert (consent.purpose, consent.decision) == ("evidence", ConsentDecision.GRANTED)
    assert consent.text_version == "evidence-2026-11"
    assert consent.source == "join_page"
    assert "审核中" in said(client.get("/join/cats"))


def test_without_consent_no_photo_is_kept(client, community):
    value = with_photo_rule(community)
    prove(client)
    client.post("/join/cats/apply", {"nickname": "小明"})

    response = send_photo(client, value, consent="")

    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert not Evidence.objects.exists()
    assert not Consent.objects.exists()


@pytest.mark.parametrize("data", [b"", b"<html><script>alert(1)</script></html>", jpeg()[:500]])
def test_what_is_no_photo_is_explained(client, community, data):
    value = with_photo_rule(community)
    prove(client)
    client.post("/join/cats/apply", {"nickname": "小明"})

    response = send_photo(client, value, data)

    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert 'role="alert"' in said(response)
    assert not Evidence.objects.exists()


def test_a_value_of_another_company_proves_nothing(client, community):
    with_photo_rule(community)
    prove(client)
    client.post("/join/cats/apply", {"nickname": "小明"})

    assert send_photo(client, ClassificationValueFactory()).status_code == HTTPStatus.BAD_REQUEST
    assert not Evidence.objects.exists()


def test_somebody_else_cannot_add_to_an_application(client, community):
    value = with_photo_rule(community)
    prove(client)
    client.post("/join/cats/apply", {"nickname": "小明"})
    other = visitor(community, phone="13900139000")

    assert send_photo(other, value).status_code == HTTPStatus.NOT_FOUND
    assert other.post("/join/cats/withdraw").status_code == HTTPStatus.NOT_FOUND
    assert not Evidence.objects.exists()


def test_a_cookie_is_good_for_one_company_only(client, community):
    elsewhere = CommunityFactory(join_slug="dogs")
    registered(elsewhere.enterprise)
    MembershipFactory(community=elsewhere, member=Member.objects.get())
    prove(client)

    text = said(client.get("/join/dogs"))

    assert 'name="phone"' in text
    assert "您已加入" not in text


def test_a_forged_cookie_is_worth_nothing(client, community):
    prove(client)
    client.cookies["scrm-join"] = client.cookies["scrm-join"].value.replace(":", "0:", 1)

    assert 'name="phone"' in said(client.get("/join/cats"))


def test_a_browser_is_known_for_seven_days(client, community):
    prove(client)
    assert 'name="phone"' not in said(client.get("/join/cats"))

    later = PhoneVerification.objects.get().verified_at.timestamp() + 7 * 86_400 + 1
    with time_machine.travel(later):
        assert 'name="phone"' in said(client.get("/join/cats"))


def test_cookies_are_for_the_join_pages_and_no_script(client, community):
    prove(client)

    cookie = client.cookies["scrm-join"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/join/", True, "Lax")


def test_another_number_can_be_used_on_the_same_browser(client, community):
    prove(client)
    client.post("/join/cats/leave")

    assert 'name="phone"' in said(client.get("/join/cats"))


# --- limits and protection ---


def test_a_number_gets_one_code_a_minute(client, community):
    ask_for_code(client)
    response = ask_for_code(client, phone=f"+86 {PHONE}")

    assert response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert 1 <= int(response["Retry-After"]) <= 60
    assert "后再试" in said(response)
    assert PhoneVerification.objects.count() == 1


def test_a_number_gets_five_codes_an_hour(client, community):
    with time_machine.travel("2026-11-22T08:00:00Z", tick=False) as clock:
        answers = []
        for _ in range(6):
            answers.append(ask_for_code(client).status_code)
            forget_the_minute()
            clock.shift(61)

    assert answers == [303] * 5 + [429]


def forget_the_minute():
    """The clock of the cache is its own, so the window of a minute is ended by hand."""
    from members.services.verifying_phones import CODES_PER_MINUTE
    from scrm.shared.crypto import lookup_digest
    from scrm.shared.rate_limits import key_of

    everywhere = lookup_digest(PHONE, purpose="codes to a phone", enterprise_id=0)
    cache.delete(key_of(CODES_PER_MINUTE, everywhere))


def test_a_client_gets_twenty_codes_an_hour(client, community):
    answers = [ask_for_code(client, phone=f"139001390{n:02}").status_code for n in range(21)]
    elsewhere = ask_for_code(client, phone="13900139021", REMOTE_ADDR="10.1.1.1").status_code

    assert answers == [303] * 20 + [429]
    assert elsewhere == 303


def test_a_client_applies_twenty_times_an_hour(client, community):
    prove(client)

    answers = [client.post("/join/cats/apply", {"nickname": ""}).status_code for _ in range(21)]

    assert answers == [400] * 20 + [429]


def test_a_client_looks_at_a_hundred_and_twenty_pages_a_minute(client, community):
    answers = [client.get("/join/nowhere").status_code for _ in range(121)]

    assert answers == [404] * 120 + [429]


def test_what_a_client_says_of_its_address_counts_only_behind_a_proxy(client, community, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 0}
    for n in range(20):
        ask_for_code(client, phone=f"139001390{n:02}", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}")
    assert ask_for_code(client, HTTP_X_FORWARDED_FOR="10.9.9.9").status_code == 429

    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    assert ask_for_code(client, HTTP_X_FORWARDED_FOR="10.9.9.9").status_code == 303


def test_without_the_cache_pages_work_and_codes_are_refused(client, community, monkeypatch):
    def gone(*_args, **_options):
        raise RedisGone

    monkeypatch.setattr(cache, "get_or_set", gone)

    assert client.get("/join/cats").status_code == HTTPStatus.OK
    response = ask_for_code(client)

    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert not PhoneVerification.objects.exists()


def test_a_form_of_another_site_is_refused(community):
    client = Client(enforce_csrf_checks=True)

    response = client.post("/join/cats/code", {"phone": PHONE})

    assert response.status_code == HTTPStatus.FORBIDDEN
    assert "请重新打开" in said(response)
    assert not PhoneVerification.objects.exists()


def test_the_pages_own_forms_are_let_through(community):
    client = Client(enforce_csrf_checks=True)
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', said(client.get("/join/cats")))[1]

    response = client.post("/join/cats/code", {"phone": PHONE, "csrfmiddlewaretoken": token})

    assert response.status_code == HTTPStatus.SEE_OTHER


@pytest.mark.parametrize(("door", "size"), [("photo", 11 * 1024**2), ("apply", 20_000)])
def test_a_body_that_says_it_is_too_large_is_not_read(client, community, door, size):
    class Unread:
        def read(self, *_):
            raise AssertionError("read")

        readline = read

    response = client.generic(
        "POST", f"/join/cats/{door}", CONTENT_LENGTH=str(size), **{"wsgi.input": Unread()}
    )

    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@pytest.mark.parametrize("door", ["confirm", "apply", "photo", "withdraw", "leave"])
def test_a_door_that_changes_something_is_not_opened_by_a_link(client, community, door):
    assert client.get(f"/join/cats/{door}").status_code == HTTPStatus.METHOD_NOT_ALLOWED
