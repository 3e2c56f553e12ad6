"""A first administrator and a first API key, shown once."""

from __future__ import annotations

import secrets

from django.db import transaction

from scrm.accounts.models import Enterprise, User
from scrm.accounts.rules.roles import Role, capabilities_of
from scrm.accounts.services.api_keys import create_api_key
from scrm.accounts.services.users import create_user_account

USERNAME = "admin"
KEY_NAME = "演示令牌"


@transaction.atomic
def give_first_access() -> dict[str, str]:
    """Empty once an administrator can sign in: then nothing is made and nothing is shown."""
    admin = User.objects.filter(username=USERNAME).first()
    if admin is not None and admin.has_usable_password():
        return {"user": USERNAME}
    password = secrets.token_urlsafe(12)
    if admin is None:
        admin = create_user_account(
            actor=None,
            enterprise=_first_enterprise(),
            username=USERNAME,
            password=password,
            role=Role.ADMINISTRATOR,
        )
    admin.set_password(password)
    admin.is_staff = admin.is_superuser = True
    admin.save(update_fields=["password", "is_staff", "is_superuser"])
    _, key = create_api_key(actor=admin, name=KEY_NAME, scopes=capabilities_of(admin.role))
    return {"user": USERNAME, "password": password, "api_key": key}


def _first_enterprise() -> Enterprise:
    found = Enterprise.objects.order_by("pk").first()
    return found or Enterprise.objects.create(name="演示企业", slug="demo")
