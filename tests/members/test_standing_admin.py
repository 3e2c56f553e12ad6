import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.messages import get_messages
from django.urls import reverse

from communities.models import ClassificationRule
from members.models import Consent, MemberClassification, MemberTag
from scrm.accounts.rules.roles import DataScope, Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationRuleFactory,
    ClassificationValueFactory,
)
from tests.members.factories import MemberFactory, MembershipFactory
from tests.members.standing_factories import (
    ConsentFactory,
    MemberClassificationFactory,
    MemberTagFactory,
    TagFactory,
)

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "on"}
MEMBERS = "admin:members_member_changelist"


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def browser(client, user):
    client.force_login(user)
    return client


@pytest.fixture
def region(user):
    axis = ClassificationAxisFactory(enterprise=user.enterprise, name="地区", is_exclusive=True)
    east = ClassificationValueFactory(axis=axis, name="华东")
    return {"east": east, "sh": ClassificationValueFactory(axis=axis, name="上海", parent=east)}


@pytest.fixture
def breed(user):
    axis = ClassificationAxisFactory(enterprise=user.enterprise, name="品种")
    return {"corgi": ClassificationValueFactory(axis=axis, name="柯基")}


def member_with(user, *values, nickname="成员"):
    member = MemberFactory(enterprise=user.enterprise, nickname=nickname)
    for value in values:
        MemberClassificationFactory(member=member, value=value)
    return member


def told(response):
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


LISTS = {
    "members_memberclassification": lambda enterprise: MemberClassificationFactory(
        value__axis__enterprise=enterprise
    ),
    "members_tag": lambda enterprise: MemberTagFactory(tag__enterprise=enterprise),
    "members_consent": lambda enterprise: ConsentFactory(member__enterprise=enterprise),
    "communities_classificationrule": lambda enterprise: ClassificationRuleFactory(
        value__axis__enterprise=enterprise
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(
    name, user, browser, django_assert_max_num_queries
):
    url = reverse(f"admin:{name}_changelist")
    LISTS[name](user.enterprise)
    browser.get(url)
    with django_assert_max_num_queries(40) as one:
        browser.get(url)
    for _ in range(2):
        LISTS[name](user.enterprise)
    with django_assert_max_num_queries(len(one)):
        assert browser.get(url).status_code == 200


def test_members_are_narrowed_by_several_values_at_once(user, browser, region, breed):
    member_with(user, region["sh"], breed["corgi"], nickname="两样都有")
    member_with(user, region["sh"], nickname="只在上海")
    chosen = [region["east"].pk, breed["corgi"].pk]

    page = browser.get(reverse(MEMBERS), {"classified_as": chosen}).content.decode()

    assert "两样都有" in page
    assert "只在上海" not in page


@pytest.mark.parametrize("chosen", ["x", "９", "9" * 30, "-1", "0"])
def test_a_filter_that_makes_no_sense_is_no_error(browser, chosen):
    for name in ("classified_as", "tag"):
        assert browser.get(reverse(MEMBERS), {name: chosen}).status_code == 200


def test_selected_members_are_tagged_after_the_tag_was_asked_for(user, browser):
    tag = TagFactory(enterprise=user.enterprise, name="金牌")
    TagFactory(name="别家的标签")
    members = [MemberFactory(enterprise=user.enterprise) for _ in range(3)]
    stranger = MemberFactory()
    chosen = {
        "action": "add_tag",
        ACTION_CHECKBOX_NAME: [members[0].pk, members[1].pk, stranger.pk],
    }

    asked = browser.post(reverse(MEMBERS), chosen)
    page = asked.content.decode()
    assert "金牌" in page
    assert "别家的标签" not in page
    assert not MemberTag.objects.exists()
    done = browser.post(reverse(MEMBERS), {**chosen, "tag": tag.pk})

    assert "2 位成员有变化" in told(done)
    assert set(MemberTag.objects.values_list("member", flat=True)) == {
        members[0].pk,
        members[1].pk,
    }
    browser.post(reverse(MEMBERS), {**chosen, "action": "remove_tag", "tag": tag.pk})
    assert not MemberTag.objects.current().exists()


def test_a_tag_of_another_enterprise_is_not_put_on(user, browser):
    member = MemberFactory(enterprise=user.enterprise)
    foreign = TagFactory()

    answer = browser.post(
        reverse(MEMBERS),
        {"action": "add_tag", ACTION_CHECKBOX_NAME: [member.pk], "tag": foreign.pk},
    )

    assert answer.status_code == 200
    assert not MemberTag.objects.exists()


def test_a_member_is_classified_by_hand_until_a_day(user, browser, region):
    member = MemberFactory(enterprise=user.enterprise)
    url = reverse("admin:members_member_classify", args=[member.pk])

    browser.post(url, {**DIALOG, "value": region["sh"].pk, "last_day": "2999-12-31"})
    past = browser.post(url, {**DIALOG, "value": region["sh"].pk, "last_day": "2020-01-01"})

    granted = MemberClassification.objects.get()
    assert (granted.value, granted.granted_by) == (region["sh"], user)
    assert granted.expires_at.isoformat() == "2999-12-31T16:00:00+00:00"
    assert "到期时间已过" in told(past)


def test_a_classification_is_ended_once(user, browser, region):
    granted = MemberClassificationFactory(value=region["sh"])
    url = reverse("admin:members_memberclassification_end", args=[granted.pk])

    browser.post(url, DIALOG)

    granted.refresh_from_db()
    assert granted.ended_at is not None


def test_a_consent_is_recorded_and_shown_on_the_page_of_the_member(user, browser):
    member = MemberFactory(enterprise=user.enterprise)
    said = {"purpose": "broadcast", "decision": "granted", "text_version": "v7", "source": "电话"}

    browser.post(reverse("admin:members_member_consent", args=[member.pk]), DIALOG | said)

    assert Consent.objects.get().text_version == "v7"
    page = browser.get(reverse("admin:members_member_change", args=[member.pk])).content.decode()
    assert "v7" in page


def test_the_report_lays_out_two_axes_as_a_table(user, browser, region, breed):
    member_with(user, region["sh"], breed["corgi"])
    member_with(user, region["sh"])
    url = reverse("admin:members_memberclassification_report")

    page = browser.get(url).content.decode()  # the first two axes by themselves
    listed = browser.get(url, {"first": region["sh"].axis_id, "level": "1"}).content.decode()

    assert "“品种”可以有多个值" in page
    assert "“地区”可以有多个值" not in page
    for word in ("上海", "柯基", "未分类", "合计"):
        assert word in page
    assert "华东" in listed
    assert "上海" not in listed.split("report-table")[1]


@pytest.mark.parametrize(
    "asked", [{"first": "x"}, {"first": "0"}, {"level": "99"}, {"community": "x"}, {"level": "1"}]
)
def test_a_report_that_makes_no_sense_is_no_error(browser, region, asked):
    url = reverse("admin:members_memberclassification_report")

    assert browser.get(url, asked).status_code == 200


def test_the_report_counts_only_members_that_the_operator_sees(user, client, breed):
    staff = StaffFactory(enterprise=user.enterprise)
    seen = member_with(user, breed["corgi"])
    member_with(user, breed["corgi"])
    MembershipFactory(community__enterprise=user.enterprise, community__owner=staff, member=seen)
    client.force_login(
        UserFactory(
            enterprise=user.enterprise,
            staff=staff,
            role=Role.OPERATOR,
            data_scope=DataScope.OWN_COMMUNITIES,
        )
    )

    page = client.get(reverse("admin:members_memberclassification_report")).content.decode()

    assert "共 1 位" in page


def test_a_rule_is_written_switched_off_and_removed(user, browser, breed):
    add = reverse("admin:communities_classificationrule_add")
    criterion = '{"metric": "purchase_count", "op": "gte", "value": 1}'
    own = f'{{"metric": "classified_as", "op": "is", "value": "{breed["corgi"].axis.code}:x"}}'

    for wrong in ("", own):
        refused = browser.post(add, {"value": breed["corgi"].pk, "criterion": wrong})
        assert refused.status_code == 200
    browser.post(add, {"value": breed["corgi"].pk, "criterion": criterion, "is_active": "on"})
    rule = ClassificationRule.objects.get()
    assert rule.is_active
    change = reverse("admin:communities_classificationrule_change", args=[rule.pk])
    browser.post(change, {"criterion": criterion})
    rule.refresh_from_db()
    assert not rule.is_active
    browser.post(reverse("admin:communities_classificationrule_remove", args=[rule.pk]), DIALOG)

    assert not ClassificationRule.objects.exists()
