"""The matrix can fail: each of its checks is run with the protection it checks taken out."""

import pytest

from scrm.accounts.admin_scope import EnterpriseModelAdmin
from scrm.accounts.api.permissions import CapabilityPermission
from scrm.accounts.models import User
from scrm.accounts.models.enterprise import DepartmentQuerySet, StaffQuerySet
from tests import isolation
from tests import test_isolation as api
from tests import test_isolation_admin as pages
from tests.isolation import build_world


@pytest.fixture
def worlds(db, monkeypatch):
    monkeypatch.setattr(isolation, "APPS", ("accounts", "wecom"))  # enough to fail, and quicker
    return build_world("ours", api.OURS), build_world("theirs", api.THEIRS)


@pytest.mark.parametrize(
    "check",
    [
        api.test_a_stranger_finds_no_row_of_ours_behind_any_url,
        api.test_a_stranger_reads_only_his_own_in_every_list,
        api.test_ids_of_ours_in_a_strangers_body_are_refused,
        api.test_ids_of_ours_in_a_strangers_filter_are_refused_like_ids_that_never_were,
        pages.test_a_stranger_sees_only_his_own_rows_in_every_list,
        pages.test_a_stranger_finds_no_page_of_our_rows,
        pages.test_no_form_offers_a_stranger_a_row_of_ours,
        pages.test_no_autocompletion_offers_a_stranger_a_row_of_ours,
        pages.test_a_form_saves_for_its_administrator_and_refuses_rows_of_another_enterprise,
    ],
    ids=lambda check: check.__name__,
)
def test_the_check_fails_when_rows_are_not_scoped(worlds, monkeypatch, check):
    monkeypatch.setattr(StaffQuerySet, "visible_to", lambda rows, user: rows.all())
    monkeypatch.setattr(DepartmentQuerySet, "visible_to", lambda rows, user: rows.all())

    with pytest.raises(AssertionError):
        check(worlds)


def test_the_role_check_fails_when_every_login_may_do_everything(worlds, monkeypatch):
    monkeypatch.setattr(User, "can", lambda user, capability: True)

    with pytest.raises(AssertionError):
        api.test_a_role_opens_the_doors_of_its_capabilities_and_no_other(worlds, "read_only")
    with pytest.raises(AssertionError):
        api.test_a_key_does_no_more_than_its_scopes_and_no_more_than_its_user(worlds)


def test_the_sign_in_check_fails_when_there_is_no_permission_class(worlds, monkeypatch):
    monkeypatch.setattr(CapabilityPermission, "has_permission", lambda *arguments: True)

    with pytest.raises(AssertionError):
        api.test_nobody_gets_in_without_signing_in(worlds)


def test_the_action_check_fails_when_selections_are_not_scoped(worlds, monkeypatch):
    monkeypatch.setattr(
        EnterpriseModelAdmin,
        "get_queryset",
        lambda self, request: self.model._default_manager.all(),
    )
    monkeypatch.setattr(StaffQuerySet, "visible_to", lambda rows, user: rows.all())

    with pytest.raises(AssertionError):
        pages.test_an_action_moves_no_row_of_another_enterprise(worlds)
