import pytest
from django.urls import reverse

from communities.models import OwnershipTransfer, TransferItem, TransferPolicy
from communities.rules.transfers import ItemState, Selection, Subject, TransferStatus
from communities.services.transfers.submitting import (
    approve_transfer,
    draft_transfer,
    submit_transfer,
)
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.communities.factories import ClassificationValueFactory
from tests.communities.transfer_worlds import Office, platform_says, states

pytestmark = pytest.mark.django_db

PICK = reverse("admin:communities_ownershiptransfer_add")
RECEIVERS = reverse("admin:communities_ownershiptransfer_receivers")
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def office():
    return Office("赵敏", "钱一")


@pytest.fixture
def operator(client, office):
    client.force_login(office.author)
    return client


def page_of(transfer):
    return reverse("admin:communities_ownershiptransfer_change", args=[transfer.pk])


def press(client, transfer, button, **values):
    url = reverse(f"admin:communities_ownershiptransfer_{button}", args=[transfer.pk])
    return client.post(url, DIALOG | values, follow=True)


def told(response):
    return [str(message) for message in response.context["messages"]]


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


def drafted(office, *chats, receivers=()):
    return draft_transfer(
        actor=office.author, chats=chats or [office.chat(name="猫友群")], receivers=receivers
    )


# --- the wizard ---


def test_chats_selected_in_the_list_are_picked(operator, office):
    chats = [office.chat(name="猫友一群"), office.chat(name="猫友二群")]
    office.chat(name="没有选的群")
    url = reverse("admin:communities_groupchat_changelist")
    data = {"action": "hand_over_selected", "_selected_action": [chat.pk for chat in chats]}

    text = text_of(operator.post(url, data, follow=True))

    assert "已选 2 个群" in text
    assert "猫友一群" in text
    assert "没有选的群" not in text


def test_chats_are_found_by_name_or_owner_added_and_taken_out(operator, office):
    chat = office.chat(name="猫友一群")
    found = text_of(operator.get(PICK, {"q": office.giver.name}))
    assert "猫友一群" in found

    operator.post(PICK, {"do": "add", "chats": [chat.pk]})
    assert "已选 1 个群" in text_of(operator.get(PICK))

    operator.post(PICK, {"do": "remove", "chat": chat.pk})
    assert "已选" not in text_of(operator.get(PICK))


def test_nothing_picked_goes_no_further(operator, office):
    assert "还没有选到" in text_of(operator.post(PICK, {"do": "next", "person": ""}))
    assert "还没有选要转的" in text_of(operator.get(RECEIVERS))


def test_all_of_a_person_is_counted_and_drafted(operator, office):
    office.chat()
    office.community()
    assert "现有 1 个客户群、0 位客户、1 个负责的社群" in text_of(
        operator.get(PICK, {"fragment": "held", "person": office.giver.pk})
    )

    chosen = {"do": "next", "person": office.giver.pk, "subjects": Subject.values}
    answer = operator.post(PICK, chosen)
    assert answer.url == RECEIVERS
    draft = operator.post(RECEIVERS, {"do": "draft", "way": "rules", "reason": "换区"})

    transfer = OwnershipTransfer.objects.get()
    assert draft.url == page_of(transfer)
    assert transfer.reason == "换区"
    assert sorted(transfer.items.values_list("subject", flat=True)) == ["chat", "community"]


def test_only_what_is_ticked_of_a_person_is_taken(operator, office):
    office.chat()
    community = office.community()
    operator.post(PICK, {"do": "next", "person": office.giver.pk, "subjects": [Subject.COMMUNITY]})

    operator.post(RECEIVERS, {"do": "draft", "way": "rules"})

    assert [item.community for item in TransferItem.objects.all()] == [community]


def test_the_way_from_a_colleague_names_the_person(operator, office):
    url = reverse("admin:accounts_staff_hand_over", args=[office.giver.pk])

    answer = operator.post(url, DIALOG)

    assert answer.url == f"{PICK}?person={office.giver.pk}"
    assert operator.get(answer.url).context["form"].initial["person"] == office.giver.pk


def test_receivers_are_shown_with_load_room_and_why_not(operator, office):
    operator.post(PICK, {"do": "add", "chats": [office.chat().pk]})
    office.colleague("孙未", can_use_customer_group=False)
    office.chat(owner=office.receiver)

    page = operator.get(RECEIVERS)

    rows = {row.load.staff.name: row for row in page.context["loads"]}
    assert rows["赵敏"].load.owned == 1
    assert rows["赵敏"].why_not == ""
    assert "没有客户联系权限" in rows["孙未"].why_not
    assert "没有客户联系权限" in text_of(page)


def test_a_search_keeps_who_was_ticked_and_what_was_typed(operator, office):
    operator.post(PICK, {"do": "add", "chats": [office.chat().pk]})
    first, second = office.receivers
    typed = {"do": "search", "way": "chosen", "receivers": [first.pk], "reason": "换区"}

    page = operator.post(RECEIVERS, typed | {"search": second.name})

    assert [row.load.staff for row in page.context["loads"]] == [second]
    assert list(page.context["kept"]) == [first]
    assert 'value="换区"' in text_of(page)
    assert not OwnershipTransfer.objects.exists()


def test_the_chosen_receivers_get_the_chats_evenly(operator, office):
    chats = [office.chat() for _ in range(4)]
    operator.post(PICK, {"do": "add", "chats": [chat.pk for chat in chats]})
    people = [staff.pk for staff in office.receivers]

    operator.post(RECEIVERS, {"do": "draft", "way": "chosen", "receivers": people})

    got = list(TransferItem.objects.values_list("receiver", flat=True))
    assert sorted(got) == sorted(people * 2)
    assert "还没有选要转的" in text_of(operator.get(RECEIVERS))


def test_choosing_nobody_is_said_before_anything_is_drafted(operator, office):
    operator.post(PICK, {"do": "add", "chats": [office.chat().pk]})

    text = text_of(operator.post(RECEIVERS, {"do": "draft", "way": "chosen"}))

    assert "至少选一位接手人" in text
    assert not OwnershipTransfer.objects.exists()


def test_a_stranger_picks_and_receives_nothing_here(operator, office):
    strange = Office("外人")
    chat = strange.chat(name="别家的群")

    operator.post(PICK, {"do": "add", "chats": [chat.pk, office.chat().pk]})
    text = text_of(operator.get(PICK, {"q": "别家", "person": strange.giver.pk}))
    assert "已选 1 个群" in text
    assert "别家的群" not in text
    assert strange.giver.name not in text.replace(office.giver.name, "")

    typed = {"do": "draft", "way": "chosen", "receivers": [strange.receiver.pk]}
    assert operator.post(RECEIVERS, typed).status_code == 200
    assert not OwnershipTransfer.objects.exists()


def test_who_may_not_hand_over_finds_no_wizard(client, office):
    client.force_login(UserFactory(enterprise=office.enterprise, role=Role.REVIEWER))
    for url in (PICK, RECEIVERS):
        assert client.get(url).status_code == 403
        assert client.post(url, {"do": "draft"}).status_code == 403


# --- the preview and the page ---


def test_the_preview_lists_every_item_with_receiver_and_conflict(operator, office):
    blocked = office.chat(name="已解散的群")
    transfer = drafted(office, office.chat(name="猫友群"), blocked)
    TransferItem.objects.filter(chat=blocked).update(
        state=ItemState.BLOCKED, reason="chat_dissolved", receiver=None
    )

    page = operator.get(page_of(transfer))

    text = text_of(page)
    assert "1 项可以转" in text
    assert "1 项不能转" in text
    assert "这个客户群已经解散" in text
    rows = page.context["panels"].items.rows
    assert [row.name for row in rows] == ["已解散的群", "猫友群"]  # what needs a person first
    assert "提交审批" in text


def test_a_draft_is_submitted_and_another_person_approves(client, office):
    transfer = drafted(office)
    client.force_login(office.author)
    assert "已提交。" in told(press(client, transfer, "submit"))
    assert "approve" not in buttons_on(client, transfer)
    client.force_login(office.boss)

    assert {"approve", "reject"} <= buttons_on(client, transfer)
    assert "已批准。" in told(press(client, transfer, "approve"))

    assert states(transfer) == [ItemState.QUEUED]


def buttons_on(client, transfer):
    page = client.get(page_of(transfer))
    text = text_of(page)
    names = ("submit", "approve", "reject", "retry", "preflight", "assign", "waive", "cancel")
    base = f"/admin/communities/ownershiptransfer/{transfer.pk}/"
    return {name for name in names if f'hx-get="{base}{name}' in text}


def test_a_refusal_by_the_verb_is_told(operator, office):
    transfer = drafted(office)
    submit_transfer(transfer.pk, actor=office.author)

    assert "自己拟定" in told(press(operator, transfer, "approve"))[0]


def test_a_rejected_plan_says_why_and_can_be_submitted_again(client, office):
    transfer = drafted(office)
    submit_transfer(transfer.pk, actor=office.author)
    client.force_login(office.boss)

    press(client, transfer, "reject", reason="先问过店长")

    client.force_login(office.author)
    assert "先问过店长" in text_of(client.get(page_of(transfer)))
    assert "submit" in buttons_on(client, transfer)


def test_what_failed_is_retried_given_to_another_or_given_up(operator, office):
    transfer = drafted(office, *(office.chat() for _ in range(3)))
    submit_transfer(transfer.pk, actor=office.author)
    approve_transfer(transfer.pk, actor=office.boss)
    one, two, three = transfer.items.order_by("pk")
    platform_says(transfer, ItemState.FAILED, reason="platform_refused")
    item_list = reverse("admin:communities_transferitem_changelist")

    def act(action, item, **values):
        data = {"action": action, "_selected_action": [item.pk], **values}
        return operator.post(item_list, data, follow=True)

    act("retry_selected", one)
    assert "选中了 1 项" in text_of(act("assign_selected", two))
    act("assign_selected", two, receiver=office.receivers[1].pk)
    assert "选中了 1 项" in text_of(act("waive_selected", three))
    act("waive_selected", three, reason="客户自己建了新群")

    assert states(transfer) == [ItemState.QUEUED, ItemState.PENDING, ItemState.WAIVED]
    two.refresh_from_db()
    assert two.receiver == office.receivers[1]


def test_one_item_is_dealt_with_from_its_row(operator, office):
    transfer = drafted(office)
    submit_transfer(transfer.pk, actor=office.author)
    approve_transfer(transfer.pk, actor=office.boss)
    platform_says(transfer, ItemState.FAILED, reason="platform_refused", platform_code=84061)
    item = transfer.items.get()
    assert "84061" in text_of(
        operator.get(reverse("admin:communities_transferitem_change", args=[item.pk]))
    )

    operator.post(
        reverse("admin:communities_transferitem_waive", args=[item.pk]),
        DIALOG | {"reason": "不用了"},
    )

    item.refresh_from_db()
    assert (item.state, item.note) == (ItemState.WAIVED, "不用了")


def test_items_are_paged_and_narrowed(operator, office):
    transfer = drafted(office, *(office.chat() for _ in range(53)))

    second = operator.get(page_of(transfer), {"fragment": "items", "page": 2})
    beyond = operator.get(page_of(transfer), {"fragment": "items", "page": "9" * 30})
    failed = operator.get(page_of(transfer), {"fragment": "items", "state": "failed"})

    assert len(second.context["panels"].items.rows) == 3
    assert "第 2 / 2 页，共 53 项" in text_of(second)
    assert beyond.status_code == 200
    assert "没有明细" in text_of(failed)


def test_the_progress_reloads_the_page_when_the_status_has_moved(operator, office):
    transfer = drafted(office)
    same = {"fragment": "progress", "was": TransferStatus.DRAFT}

    assert "HX-Refresh" not in operator.get(page_of(transfer), same)
    assert operator.get(page_of(transfer), same | {"was": "submitted"})["HX-Refresh"] == "true"


def test_the_pages_take_as_many_queries_for_many_items_as_for_one(
    operator, office, django_assert_num_queries
):
    few = drafted(office)
    many = drafted(office, *(office.chat() for _ in range(12)))
    lists = [
        reverse("admin:communities_ownershiptransfer_changelist"),
        reverse("admin:communities_transferitem_changelist") + "?transfer__id__exact=",
    ]
    operator.get(page_of(few))
    with CountedQueries() as first:
        text_of(operator.get(page_of(few)))
    with django_assert_num_queries(first.count):
        text_of(operator.get(page_of(many)))
    with CountedQueries() as first:
        text_of(operator.get(f"{lists[1]}{few.pk}"))
    with django_assert_num_queries(first.count):
        text_of(operator.get(f"{lists[1]}{many.pk}"))
    with CountedQueries() as first:
        text_of(operator.get(lists[0] + "?q=没有"))
    drafted(office)
    with django_assert_num_queries(first.count + 1):  # the counts of the items
        text_of(operator.get(lists[0]))


class CountedQueries:
    def __enter__(self):
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        self.context = CaptureQueriesContext(connection)
        self.context.__enter__()
        return self

    def __exit__(self, *failure):
        self.context.__exit__(*failure)
        self.count = len(self.context)


# --- policies ---


def policy_form(**values):
    return {
        "name": "门店群",
        "subject": Subject.CHAT,
        "selection": Selection.FIXED,
        "needs_approval": "on",
        "receivers-TOTAL_FORMS": 0,
        "receivers-INITIAL_FORMS": 0,
        "_save": "1",
        **values,
    }


def named(number, staff, **values):
    return {
        f"receivers-{number}-{name}": value for name, value in {"staff": staff.pk, **values}.items()
    }


def test_a_policy_is_made_with_whom_it_names_and_edited(operator, office):
    add = reverse("admin:communities_transferpolicy_add")
    value = ClassificationValueFactory(axis__enterprise=office.enterprise)
    first, second = office.receivers

    operator.post(
        add,
        policy_form(
            value=value.pk,
            maximum=300,
            **{**named(0, first), **named(1, second), "receivers-TOTAL_FORMS": 2},
        ),
    )

    policy = TransferPolicy.objects.get()
    assert (policy.enterprise, policy.value, policy.maximum) == (office.enterprise, value, 300)
    assert [one.staff for one in policy.receivers.order_by("pk")] == [first, second]

    change = reverse("admin:communities_transferpolicy_change", args=[policy.pk])
    kept, gone = policy.receivers.order_by("pk")
    form = policy_form(
        name="门店和快闪群",
        value=value.pk,
        maximum=300,
        **named(0, first, id=kept.pk, policy=policy.pk),
        **named(1, second, id=gone.pk, policy=policy.pk, DELETE="on"),
        **{"receivers-TOTAL_FORMS": 2, "receivers-INITIAL_FORMS": 2},
    )
    assert operator.post(change, form).status_code == 302
    policy.refresh_from_db()
    assert policy.name == "门店和快闪群"
    assert [one.staff for one in policy.receivers.all()] == [first]


def test_a_policy_that_the_verb_refuses_keeps_what_was_typed(operator, office):
    answer = operator.post(reverse("admin:communities_transferpolicy_add"), policy_form())

    assert answer.status_code == 200
    assert "门店群" in answer.content.decode()
    assert not TransferPolicy.objects.exists()
