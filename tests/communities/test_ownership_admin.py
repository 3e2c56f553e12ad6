"""The history of a chat's owners, and violations, as operators see them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from communities.models import OwnershipPeriod, OwnershipViolation
from communities.services.ownership.owning import name_owner
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import GroupChatFactory
from tests.communities.transfer_factories import OwnershipViolationFactory

DIALOG = {"_form_submitted": "on"}


def operator(client, enterprise, role=Role.ADMINISTRATOR):
    user = UserFactory(enterprise=enterprise, role=role)
    client.force_login(user)
    return user


@pytest.fixture
def chat(db):
    chat = GroupChatFactory()
    for name in ("张三", "李四"):
        chat.owner = StaffFactory(enterprise=chat.enterprise, name=name)
        chat.save(update_fields=["owner"])
        name_owner(chat)
    return chat


@pytest.fixture
def violation(chat):
    return OwnershipViolation.objects.create(
        enterprise=chat.enterprise,
        chat=chat,
        period=OwnershipPeriod.objects.get(chat=chat, ended_at=None),
        rules=["inactive", "without_approval"],
    )


def page_of(client, row):
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return client.get(reverse(name, args=[row.pk]))


def test_a_chat_shows_whose_it_has_been(client, chat):
    operator(client, chat.enterprise)

    page = page_of(client, chat).content.decode()

    assert page.index("李四") < page.index("张三")
    assert "（推断）" in page


def test_who_owns_a_chat_that_was_read_is_shown_and_not_asked(client, chat):
    operator(client, chat.enterprise)
    assert 'name="owner"' in page_of(client, chat).content.decode()

    chat.read_at = timezone.now()
    chat.save()

    assert 'name="owner"' not in page_of(client, chat).content.decode()


def test_a_violation_is_accepted_with_a_reason_by_who_may(client, chat, violation):
    accept = reverse("admin:communities_ownershipviolation_accept", args=[violation.pk])
    operator(client, chat.enterprise, Role.READ_ONLY)
    listed = client.get(reverse("admin:communities_ownershipviolation_changelist"))
    assert "新群主已离职、没有经过审批" in listed.content.decode()
    assert "张三" in listed.content.decode()
    client.post(accept, {**DIALOG, "note": "已商定"})
    violation.refresh_from_db()
    assert violation.status == "open"

    boss = operator(client, chat.enterprise)
    client.post(accept, {**DIALOG, "note": ""})
    violation.refresh_from_db()
    assert violation.status == "open"
    client.post(accept, {**DIALOG, "note": "已商定"})

    violation.refresh_from_db()
    assert (violation.status, violation.note, violation.closed_by) == ("accepted", "已商定", boss)
    assert AuditEvent.objects.get(verb="accept_violation").actor == boss


def test_long_histories_and_lists_cost_no_more_queries(
    client, chat, violation, django_assert_num_queries
):
    operator(client, chat.enterprise)
    pages = (
        reverse("admin:communities_groupchat_change", args=[chat.pk]),
        reverse("admin:communities_ownershipviolation_changelist"),
    )
    counts = []
    for page in pages:
        client.get(page)
        with CaptureQueriesContext(connection) as queries:
            client.get(page)
        counts.append(len(queries))
    for name in ("王五", "赵六", "孙七"):
        chat.owner = StaffFactory(enterprise=chat.enterprise, name=name)
        chat.save(update_fields=["owner"])
        name_owner(chat)
        OwnershipViolationFactory(chat=chat)

    for page, count in zip(pages, counts, strict=True):
        with django_assert_num_queries(count):
            assert "孙七" in client.get(page).content.decode()
