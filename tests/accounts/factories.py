from __future__ import annotations

from factory import LazyAttribute, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from scrm.accounts.models import ApiKey, Department, Enterprise, OperatorTask, Staff, User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.rules.roles import Capability, Role
from scrm.accounts.services.api_keys import PLAIN_PREFIX, digest_of


class EnterpriseFactory(DjangoModelFactory):
    class Meta:
        model = Enterprise

    name = Sequence(lambda n: f"企业{n}")
    slug = Sequence(lambda n: f"enterprise-{n}")


class DepartmentFactory(DjangoModelFactory):
    class Meta:
        model = Department

    enterprise = SubFactory(EnterpriseFactory)
    name = Sequence(lambda n: f"部门{n}")


class StaffFactory(DjangoModelFactory):
    class Meta:
        model = Staff

    enterprise = SubFactory(EnterpriseFactory)
    name = Sequence(lambda n: f"员工{n}")


class UserFactory(DjangoModelFactory):
    """An administrator of an enterprise of its own, unless the test says otherwise."""

    class Meta:
        model = User

    enterprise = SubFactory(EnterpriseFactory)
    username = Sequence(lambda n: f"user-{n}")
    role = Role.ADMINISTRATOR
    is_staff = True
    password = "!"


class ApiKeyFactory(DjangoModelFactory):
    """``plain_key_of(key)`` is the text that a client sends."""

    class Meta:
        model = ApiKey

    enterprise = SelfAttribute("user.enterprise")
    user = SubFactory(UserFactory)
    name = Sequence(lambda n: f"key-{n}")
    prefix = Sequence(lambda n: f"{PLAIN_PREFIX}{n:07d}")
    digest = LazyAttribute(lambda key: digest_of(key.prefix))
    scopes = LazyAttribute(lambda _key: sorted(Capability.values))


class OperatorTaskFactory(DjangoModelFactory):
    """An open task of nobody in particular, about the enterprise itself."""

    class Meta:
        model = OperatorTask

    enterprise = SubFactory(EnterpriseFactory)
    kind = TaskKind.MERGE
    object_type = "accounts.enterprise"
    object_id = Sequence(lambda n: n)
    title = Sequence(lambda n: f"待办{n}")


def plain_key_of(key: ApiKey) -> str:
    return key.prefix
