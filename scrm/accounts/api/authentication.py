"""``Authorization: Bearer scrm_…``: programs sign in with an API key."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from scrm.accounts.models import ApiKey, User
from scrm.accounts.services.api_keys import find_usable_key, note_use


class ApiKeyAuthentication(BaseAuthentication):
    """The request acts as the key's user, within the key's scopes.

    An expired, revoked or unknown key and one of a disabled user all get the same 401.
    """

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        scheme, _space, plain = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        key = find_usable_key(plain.strip())
        if key is None:
            raise AuthenticationFailed(_("API 密钥无效、已到期或已吊销。"), "invalid_api_key")
        note_use(key)
        user = key.user
        user.acting_key = key
        return user, key

    def authenticate_header(self, request: Request) -> str:
        return f'{self.keyword} realm="scrm"'


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "scrm_…"}
