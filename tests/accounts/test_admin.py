import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from scrm.accounts.admin_scope import EnterpriseModelAdmin
from scrm.accounts.models import ApiKey, AuditEvent, Department, Enterprise, Staff, User
from scrm.accounts.rules.roles import Role
from scrm.accounts.services.api_keys import find_usable_key
from scrm.accounts.services.audit import record_audit
from tests.accounts.factories import ApiKeyFactory, DepartmentFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def boss():
    return UserFactory()


@pytest.fixture
def client(boss):
    client = Client()
    client.force_login(boss)
    return client


def url(page, *arguments):
    return reverse(f"admin:accounts_{page}", args=arguments)


def messages_of(response):
    return [str(message) for message in response.context["messages"]]


def test_groups_are_gone_because_roles_take_their_place():
    assert not admin.site.is_registered(Group)


def test_raw_ids_are_not_allowed_because_they_name_any_row():
    with pytest.raises(ImproperlyConfigured):

        class Careless(EnterpriseModelAdmin):
            raw_id_fields = ("department",)


def test_saving_a_form_calls_the_verb_and_leaves_an_audit_row(boss, client):
    added = client.post(url("department_add"), {"name": "华东", "external_id": ""})
    department = Department.objects.get()
    changed = client.post(
        url("department_change", department.pk), {"name": "华南", "external_id": ""}
    )

    assert (added.status_code, changed.status_code) == (302, 302)
    assert department.enterprise == boss.enterprise
    verbs = AuditEvent.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["create_department", "edit_department"]


def test_a_constraint_over_the_enterprise_is_an_error_in_the_form(boss, client):
    DepartmentFactory(enterprise=boss.enterprise, external_id="7")
    DepartmentFactory(external_id="8")  # another enterprise's

    taken = client.post(url("department_add"), {"name": "二", "external_id": "7"})
    free = client.post(url("department_add"), {"name": "三", "external_id": "8"})

    assert taken.status_code == 200
    assert "这个平台部门编号已被使用。" in taken.content.decode()
    assert free.status_code == 302


def test_not_even_a_superuser_sees_beyond_his_enterprise_or_his_role():
    stranger = StaffFactory(name="别家的人")
    root, reader = Client(), Client()
    root.force_login(UserFactory(is_superuser=True))
    reader.force_login(UserFactory(is_superuser=True, role=Role.READ_ONLY))

    assert "别家的人" not in root.get(url("staff_changelist")).content.decode()
    assert root.get(url("staff_change", stranger.pk)).status_code == 302
    assert reader.get(url("staff_changelist")).status_code == 403


def test_a_refusal_by_the_verb_is_an_error_in_the_form_with_what_was_typed(boss, client):
    top = DepartmentFactory(enterprise=boss.enterprise)
    below = DepartmentFactory(enterprise=boss.enterprise, parent=top)

    response = client.post(
        url("department_change", top.pk), {"name": "新名字", "parent": below.pk, "external_id": ""}
    )

    text = response.content.decode()
    assert response.status_code == 200
    assert "部门不能放到自己或自己的下级部门之下。" in text
    assert 'value="新名字"' in text
    top.refresh_from_db()
    assert top.parent is None


def test_an_action_reports_each_refusal_and_does_the_rest(boss, client):
    empty = DepartmentFactory(enterprise=boss.enterprise, name="空")
    full = DepartmentFactory(enterprise=boss.enterprise, name="满")
    StaffFactory(enterprise=boss.enterprise, department=full)

    response = client.post(
        url("department_changelist"),
        {"action": "delete_empty", "_selected_action": [empty.pk, full.pk]},
        follow=True,
    )

    refused, done = messages_of(response)
    assert refused.startswith("满：")
    assert done == "已删除（1 条）"
    assert list(Department.objects.all()) == [full]


def test_a_button_asks_first_and_acts_on_post_only(boss, client):
    staff = StaffFactory(enterprise=boss.enterprise)
    page = url("staff_deactivate", staff.pk)

    asked = client.get(page)
    still_here = Staff.objects.get().is_active
    done = client.post(page, DIALOG, headers={"HX-Request": "true"})

    assert "办理离职？" in asked.content.decode()
    assert still_here
    assert done["HX-Redirect"] == url("staff_change", staff.pk)
    assert not Staff.objects.get().is_active


def test_an_operator_creates_a_user_who_can_sign_in(boss, client):
    page = client.get(url("user_add"))
    response = client.post(
        url("user_add"),
        {
            "username": "new",
            "password": PASSWORD,
            "email": "",
            "role": Role.OPERATOR,
            "data_scope": "all",
        },
    )

    assert 'type="password"' in page.content.decode()
    assert response.status_code == 302
    browser = Client()
    assert browser.login(username="new", password=PASSWORD)
    assert browser.get("/admin/", follow=True).status_code == 200
    assert User.objects.get(username="new").enterprise == boss.enterprise


@pytest.mark.parametrize("password", ["short", "password1234"])
def test_a_weak_password_is_an_error_in_the_form(boss, client, password):
    user = UserFactory(enterprise=boss.enterprise)
    data = {"username": "new", "password": password, "role": "operator", "data_scope": "all"}

    adding = client.post(url("user_add"), data)
    resetting = client.post(url("user_reset_password", user.pk), DIALOG | {"password": password})

    assert adding.status_code == resetting.status_code == 200
    assert "password" in adding.context["adminform"].form.errors
    assert not User.objects.filter(username="new").exists()
    user.refresh_from_db()
    assert not user.has_usable_password()


def test_the_page_of_a_user_shows_no_hash_and_edits_no_power(boss, client):
    user = UserFactory(enterprise=boss.enterprise, role=Role.ANALYST)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])

    shown = client.get(url("user_change", user.pk)).content.decode()
    client.post(
        url("user_change", user.pk),
        {"email": "a@example.com", "role": "administrator", "is_superuser": "on"},
    )

    assert user.password not in shown
    user.refresh_from_db()
    assert (user.email, user.role, user.is_superuser) == ("a@example.com", "analyst", False)


def test_role_and_password_are_changed_in_dialogs(boss, client):
    user = UserFactory(enterprise=boss.enterprise, role=Role.ANALYST)

    client.post(
        url("user_change_role", user.pk), DIALOG | {"role": "reviewer", "data_scope": "all"}
    )
    client.post(url("user_reset_password", user.pk), DIALOG | {"password": PASSWORD})

    user.refresh_from_db()
    assert user.role == "reviewer"
    assert user.check_password(PASSWORD)


def test_the_role_dialog_starts_from_the_role_the_user_has(boss, client):
    user = UserFactory(enterprise=boss.enterprise, role=Role.ANALYST, data_scope="own_communities")

    shown = client.get(url("user_change_role", user.pk)).content.decode()

    assert re.search(r'value="analyst"\s+selected', shown)
    assert re.search(r'value="own_communities"\s+selected', shown)


def test_only_the_buttons_that_make_sense_are_shown(boss, client):
    here = StaffFactory(enterprise=boss.enterprise)
    gone = StaffFactory(enterprise=boss.enterprise, is_active=False)

    pages = [client.get(url("staff_change", one.pk)).content.decode() for one in (here, gone)]

    links = [(url("staff_deactivate", s.pk), url("staff_reactivate", s.pk)) for s in (here, gone)]
    assert [link in pages[0] for link in links[0]] == [True, False]
    assert [link in pages[1] for link in links[1]] == [False, True]


def test_a_new_key_is_shown_once_and_kept_nowhere(boss, client):
    response = client.post(
        url("apikey_add"), {"name": "机器人", "user": boss.pk, "scopes": ["members.view"]}
    )

    shown = re.search(r"scrm_[\w-]{40,}", response.content.decode())
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    plain = shown.group()
    assert find_usable_key(plain) == ApiKey.objects.get()
    assert plain not in str(client.session.items()) + str(client.cookies)
    page = client.get(url("apikey_change", ApiKey.objects.get().pk)).content.decode()
    assert plain not in page
    assert ApiKey.objects.get().digest not in page
    assert AuditEvent.objects.get().verb == "create_api_key"


def test_a_key_beyond_the_users_role_is_an_error_in_the_form(boss, client):
    reader = UserFactory(enterprise=boss.enterprise, role=Role.READ_ONLY)

    response = client.post(
        url("apikey_add"), {"name": "k", "user": reader.pk, "scopes": ["accounts.manage"]}
    )

    assert response.status_code == 200
    assert "accounts.manage" in str(response.context["adminform"].form.errors)
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_by_its_button(boss, client):
    key = ApiKeyFactory(user=boss)

    client.post(url("apikey_revoke", key.pk), DIALOG)

    assert ApiKey.objects.get().revoked_at is not None


def test_the_audit_page_tells_what_changed_in_words(boss, client):
    department = DepartmentFactory(enterprise=boss.enterprise, name="华东")
    event = record_audit(
        boss,
        verb="edit_department",
        subject=department,
        before={"name": "<b>旧</b>", "parent": None},
        after={"name": "新", "parent": department},
    )

    for page in (url("auditevent_changelist"), url("auditevent_change", event.pk)):
        text = client.get(page).content.decode()
        assert "{" not in event_text(text)
        for words in ("修改部门", "名称", "&lt;b&gt;旧&lt;/b&gt;", "新", "上级部门", boss.username):
            assert words in text, words
        assert "<b>旧" not in text


def event_text(page):
    """The table of what changed, without the page around it."""
    return page[page.index("&lt;b&gt;旧") : page.index("上级部门")]


def test_the_audit_page_speaks_of_choices_in_words(boss, client):
    user = UserFactory(enterprise=boss.enterprise)
    changed = record_audit(
        boss,
        verb="change_role",
        subject=user,
        before={"role": "operator"},
        after={"role": "analyst"},
    )
    key = ApiKeyFactory(user=boss)
    made = record_audit(
        boss, verb="create_api_key", subject=key, after={"scopes": ["members.view"], "name": ""}
    )

    changed, made = (
        client.get(url("auditevent_change", event.pk)).content.decode() for event in (changed, made)
    )

    assert "运营" in changed
    assert "分析师" in changed
    assert "查看成员" in made
    assert "members.view" not in made


def test_nobody_can_touch_the_audit_record_in_the_admin(boss, client):
    event = record_audit(boss, verb="x", subject=boss)

    assert client.get(url("auditevent_add")).status_code == 403
    assert client.post(url("auditevent_change", event.pk), {"verb": "y"}).status_code == 403
    assert client.post(url("auditevent_delete", event.pk), {"post": "yes"}).status_code == 403


def test_an_enterprise_is_renamed_but_never_added_or_deleted(boss, client):
    page = url("enterprise_change", boss.enterprise_id)

    wrong = client.post(page, {"name": "新名", "time_zone": "Asia/Nowhere"})
    right = client.post(page, {"name": "新名", "time_zone": "Asia/Urumqi"})

    assert (wrong.status_code, right.status_code) == (200, 302)
    assert Enterprise.objects.get().name == "新名"
    assert client.get(url("enterprise_add")).status_code == 403
    assert client.get(url("enterprise_delete", boss.enterprise_id)).status_code == 403


@pytest.mark.parametrize(
    ("page", "make"),
    [
        ("department", lambda boss: DepartmentFactory(enterprise=boss.enterprise)),
        ("staff", lambda boss: StaffFactory(enterprise=boss.enterprise)),
        ("user", lambda boss: UserFactory(enterprise=boss.enterprise)),
        ("apikey", lambda boss: ApiKeyFactory(user=boss)),
        ("auditevent", lambda boss: record_audit(boss, verb="x", subject=boss)),
    ],
)
def test_a_list_page_costs_the_same_for_one_row_and_for_three(boss, client, page, make):
    make(boss)
    client.get(url(f"{page}_changelist"))  # fills the caches of the sidebar
    with CaptureQueriesContext(connection) as one:
        assert client.get(url(f"{page}_changelist")).status_code == 200
    for _ in range(2):
        make(boss)
    with CaptureQueriesContext(connection) as three:
        client.get(url(f"{page}_changelist"))

    assert len(three) == len(one)
