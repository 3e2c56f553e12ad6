import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from communities.models import ResignationCase
from communities.rules.transfers import CaseStatus, ItemState, TransferStatus
from communities.services.transfers.settling import settle_transfers
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.communities.transfer_factories import (
    ChatItemFactory,
    OwnershipTransferFactory,
    ResignationCaseFactory,
)
from tests.communities.transfer_worlds import Office

pytestmark = pytest.mark.django_db

BOARD = reverse("admin:communities_resignationcase_changelist")
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def office():
    return Office("赵敏", "钱一")


@pytest.fixture
def operator(client, office):
    client.force_login(office.author)
    return client


def case_of(office, *, items=((ItemState.PENDING, 1),), name="离开的人"):
    leaver = office.colleague(name, is_active=False)
    case = ResignationCaseFactory(staff=leaver, status=CaseStatus.AWAITING_APPROVAL)
    transfer = OwnershipTransferFactory(
        enterprise=office.enterprise,
        case=case,
        created_by=None,
        status=TransferStatus.AWAITING_APPROVAL,
    )
    for state, count in items:
        for _ in range(count):
            chat = office.chat(owner=leaver)
            ChatItemFactory(
                transfer=transfer, chat=chat, giver=leaver, receiver=office.receiver, state=state
            )
    return case


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


def page_of(case):
    return reverse("admin:communities_resignationcase_change", args=[case.pk])


def test_the_board_counts_the_cases_and_shows_how_far_each_is(operator, office):
    case_of(office, items=[(ItemState.VERIFIED, 3), (ItemState.FAILED, 1)], name="陈默")
    ResignationCaseFactory(staff=office.colleague("很久以前"), status=CaseStatus.CLOSED)

    page = operator.get(BOARD)

    text = text_of(page)
    assert [row.staff.name for row in page.context["cl"].result_list] == ["陈默", "很久以前"]
    assert "3 / 4" in text
    assert "客户群 4" in text
    counts = {column["label"]: column["count"] for column in page.context["board"]}
    assert counts["待审批"] == 1
    assert counts["已结案"] == 1


def test_the_board_takes_as_many_queries_for_three_cases_as_for_one(
    operator, office, django_assert_num_queries
):
    case_of(office)
    operator.get(BOARD)
    with CaptureQueriesContext(connection) as first:
        operator.get(BOARD)
    case_of(office, items=[(ItemState.PENDING, 4)])
    case_of(office)

    with django_assert_num_queries(len(first)):
        operator.get(BOARD)


def test_the_page_shows_progress_deadline_and_every_item(operator, office):
    case = case_of(office, items=[(ItemState.QUEUED, 2), (ItemState.VERIFIED, 1)])

    page = operator.get(page_of(case))

    assert page.context["case_progress"].explained == 1
    assert page.context["case_progress"].quota_days == 1
    assert len(page.context["panels"].items.rows) == 3
    assert "平台继承期限" in text_of(page)
    narrowed = operator.get(page_of(case), {"fragment": "items", "state": "verified"})
    assert len(narrowed.context["panels"].items.rows) == 1


def test_a_case_that_is_not_listed_yet_has_a_page(operator, office):
    case = ResignationCaseFactory(staff=office.colleague("陈默", is_active=False))

    assert "正在清点" in text_of(operator.get(page_of(case)))


def test_who_may_not_take_a_login_away_opens_no_case_of_somebody_active(client, office):
    client.force_login(UserFactory(enterprise=office.enterprise, role=Role.OPERATOR))
    for url, data in (
        (reverse("admin:accounts_staff_resign", args=[office.giver.pk]), DIALOG),
        (reverse("admin:communities_resignationcase_add"), {"staff": office.giver.pk}),
    ):
        assert "请管理员办理" in text_of(client.post(url, data, follow=True))

    office.giver.refresh_from_db()
    assert office.giver.is_active
    assert not ResignationCase.objects.exists()


def test_the_button_on_a_colleagues_page_opens_the_case_and_later_leads_to_it(operator, office):
    button = reverse("admin:accounts_staff_resign", args=[office.giver.pk])

    first = operator.post(button, DIALOG)
    again = operator.post(button, DIALOG)

    case = ResignationCase.objects.get()
    office.giver.refresh_from_db()
    assert not office.giver.is_active
    assert first.url == again.url == page_of(case)


def test_a_case_is_opened_from_the_board(operator, office):
    add = reverse("admin:communities_resignationcase_add")

    answer = operator.post(add, {"staff": office.giver.pk, "_save": "1"})

    assert answer.url == page_of(ResignationCase.objects.get())
    again = operator.post(add, {"staff": office.giver.pk, "_save": "1"})
    assert again.status_code == 200  # the refusal, in the form
    assert ResignationCase.objects.count() == 1


def test_another_person_approves_the_plan(operator, office):
    case = case_of(office)
    settle_transfers([case.transfer.pk])

    operator.post(reverse("admin:communities_resignationcase_approve", args=[case.pk]), DIALOG)

    assert case.transfer.items.get().state == ItemState.QUEUED
