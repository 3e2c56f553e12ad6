"""Who may call what: every action of every view names the capability it needs."""

from __future__ import annotations

from typing import Any, Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

# For the few actions that every login may use. There is no way to declare an action public.
SIGNED_IN: Final = "signed_in"

type Required = Capability | str


class CapabilityPermission(BasePermission):
    """A view declares ``required_capabilities``: its action (or, for a plain view, the lower-case
    method) -> the capability it needs. An action without an entry is denied to everybody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not isinstance(user, User) or not user.is_active:
            return False
        if hasattr(view, "action") and view.action is None:
            return True  # no such method here: the view answers 405
        action = getattr(view, "action", None) or str(request.method).lower()
        required = getattr(view, "required_capabilities", {}).get(action)
        if required is None:
            return False
        return required == SIGNED_IN or user.can(Capability(required))


def acting_user(request: Request) -> User:
    """The signed-in user; behind ``CapabilityPermission`` there always is one."""
    user = request.user
    if not isinstance(user, User):
        raise TypeError("A view without CapabilityPermission asked who is acting.")
    return user
