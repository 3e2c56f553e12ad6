import pytest

from scrm.shared.criteria import ValueType, parse_criterion
from scrm.shared.criterion_references import (
    reference_names,
    unknown_references,
)
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory

pytestmark = pytest.mark.django_db

POSTS = {"metric": "post_count", "op": "gte", "value": 3, "of": "vip"}
INSIDE = {"metric": "in_community", "op": "is", "value": "vip"}
SORTED = {"metric": "classified_as", "op": "is", "value": "region:east"}


def test_what_an_enterprise_does_not_have_is_told_with_its_place(django_assert_num_queries):
    enterprise = EnterpriseFactory()
    CommunityFactory(enterprise=enterprise, code="vip")
    other = {**INSIDE, "value": "others"}
    criterion = parse_criterion({"all": [POSTS, {"not": other}, SORTED, INSIDE]})

    with django_assert_num_queries(2):  # one per kind
        errors = unknown_references(criterion, enterprise_id=enterprise.pk)

    assert [(error.path, error.code) for error in errors] == [
        ("$.all[1].not.value", "unknown_community"),
        ("$.all[2].value", "unknown_classification"),
    ]


def test_another_enterprises_things_are_unknown():
    CommunityFactory(code="vip")

    errors = unknown_references(parse_criterion(POSTS), enterprise_id=EnterpriseFactory().pk)

    assert [error.path for error in errors] == ["$.of"]


def test_names_come_for_values_and_for_what_narrows():
    enterprise = EnterpriseFactory()
    CommunityFactory(enterprise=enterprise, code="vip", name="VIP 社群")
    clauses = parse_criterion({"all": [POSTS, SORTED]}).clauses()

    names = reference_names(clauses, enterprise_id=enterprise.pk)

    assert names == {(ValueType.COMMUNITY, "vip"): "VIP 社群"}
