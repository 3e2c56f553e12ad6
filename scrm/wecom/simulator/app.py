"""The HTTP door: the platform's API under /cgi-bin/, and under /_sim/ what the platform has not."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

from scrm.wecom.simulator import door
from scrm.wecom.simulator.api import all_endpoints  # noqa: F401 - fills ENDPOINTS
from scrm.wecom.simulator.api.call import ENDPOINTS, Answer, Call, Endpoint
from scrm.wecom.simulator.api.uploads import LARGEST, read_uploads
from scrm.wecom.simulator.corp import Corp
from scrm.wecom.simulator.faults import Trouble
from scrm.wecom.simulator.records import App, Token
from scrm.wecom.simulator.refusals import Refused
from scrm.wecom.simulator.response import Response, as_json
from scrm.wecom.simulator.world import World

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
LARGEST_BODY = 1_000_000
WRONG_SECRETS = 2000  # an hour
OF_CONTACT_SYNC = {"user/list_id", "department/simplelist", "user/simplelist", "getcallbackip"}


def make_app(world: World) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = respond(world, environ)
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *response.headers,
        ]
        start_response(f"{response.status} Answer", headers)
        return [response.body]

    return application


def respond(world: World, environ: Environ) -> Response:
    path = environ.get("PATH_INFO", "")
    if path.startswith("/cgi-bin/"):
        return PlatformCall(world, environ, path.removeprefix("/cgi-bin/")).response()
    if path.startswith("/_sim/"):
        return door.respond(world, environ)
    if path == "/_sim":
        return Response(301, headers=(("Location", "/_sim/"),))
    return Response(404, content_type="text/plain")


class PlatformCall:
    """One request to the platform: token, then scope, then limits, then parameters."""

    def __init__(self, world: World, environ: Environ, api: str) -> None:
        self.world, self.request, self.api = world, environ, api
        self.query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        self.form = environ.get("CONTENT_TYPE", "").startswith("multipart/")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        self.body = environ["wsgi.input"].read(min(length, self.longest_body + 1))

    def origin(self) -> str:
        """How the caller calls us, for links that lead back here."""
        scheme = self.request.get("wsgi.url_scheme", "http")
        return f"{scheme}://{self.request.get('HTTP_HOST', 'localhost')}"

    def response(self) -> Response:
        if self.api == "gettoken":
            return self.guarded(Endpoint("GET", "gettoken", lambda call: {}))
        if (endpoint := ENDPOINTS.get(self.api)) is None:
            return Response(404, content_type="text/plain")
        return self.guarded(endpoint)

    def guarded(self, endpoint: Endpoint) -> Response:
        try:
            corp, app = self.caller(endpoint)
        except Refused as refused:
            return self.refusal(endpoint, refused)
        with corp.lock:
            corp.settle()
            date = formatdate(corp.clock.time(), usegmt=True)
            troubles = corp.faults.meets(self.api)
            crowd = corp.limiter.enter(self.api)
        try:
            response = self.troubled(endpoint, corp, app, troubles, crowd)
            return replace(response, headers=(*response.headers, ("Date", date)))
        finally:
            with corp.lock:
                corp.limiter.leave(self.api)

    def troubled(
        self, endpoint: Endpoint, corp: Corp, app: App | None, troubles: list[Trouble], crowd: int
    ) -> Response:
        by_kind = {trouble.kind: trouble for trouble in troubles}
        if slow := by_kind.get("slow"):
            time.sleep(slow.seconds)
        if status := by_kind.get("status"):
            return Response(status.code, b"<html>Bad Gateway</html>", "text/html")
        try:
            if refuse := by_kind.get("refuse"):
                raise Refused(refuse.code)
            answer = self.run(endpoint, corp, app, troubles, crowd)
        except Refused as refused:
            return self.refusal(endpoint, refused)
        response = answer if isinstance(answer, Response) else self.success(corp, answer)
        if lost := by_kind.get("lost_answer"):
            return Response(lost.code, b"<html>Gateway Time-out</html>", "text/html")
        if "truncate" in by_kind:
            return Response(200, response.body[: len(response.body) // 2])
        return response

    def run(
        self,
        endpoint: Endpoint,
        corp: Corp,
        app: App | None,
        troubles: list[Trouble],
        crowd: int,
    ) -> Answer | Response:
        with corp.lock:
            self.check_limits(corp, crowd)
            if app is None:
                return self.give_token(corp)
            self.check_scope(endpoint, app)
            if endpoint.method == "POST" and self.request["REQUEST_METHOD"] != "POST":
                raise Refused(40050 if "groupchat/" in self.api else 40058)
            call = Call(corp, app, self.api, self.query, origin=self.origin(), troubles=troubles)
            self.read_body(call)
            if endpoint.method == "POST":
                corp.changes += 1
            return endpoint.run(call)

    # Who calls --------------------------------------------------------------------------------

    def caller(self, endpoint: Endpoint) -> tuple[Corp, App | None]:
        """The company, and the app whose token it is; gettoken has none yet."""
        if endpoint.api == "gettoken":
            if not self.query.get("corpsecret"):
                raise Refused(41004)
            if not self.query.get("corpid"):
                raise Refused(41002)
            if (corp := self.world.corps.get(self.query["corpid"])) is None:
                raise Refused(40013)
            return corp, None
        text = self.query.get("access_token", "")
        if not text:
            raise Refused(41001)
        if (holder := self.world.holder_of(text)) is None:
            raise Refused(40014)
        corp, app, token = holder
        if token.ended_with:
            raise Refused(token.ended_with)
        if token.expires_at <= corp.clock.time():
            raise Refused(corp.faults.expired_token_code)
        return corp, app

    def give_token(self, corp: Corp) -> Answer:
        """The same while it has life left, unless a new one is to end the old one."""
        secret = self.query["corpsecret"]
        app = next((each for each in corp.apps if each.secret == secret), None)
        now = corp.clock.time()
        if app is None or app.disabled:
            often = corp.limiter.refuses("wrong secret", now, WRONG_SECRETS, WRONG_SECRETS)
            raise Refused(45009 if often else 40001)
        own = [each for each in corp.tokens.values() if each.agent_id == app.agent_id]
        good = [each for each in own if not each.ended_with and each.expires_at > now]
        if good and not corp.faults.new_token_ends_old:
            token = good[-1]
        else:
            token = self.fresh_token(corp, app, own)
        return {"access_token": token.text, "expires_in": int(token.expires_at - now)}

    @staticmethod
    def fresh_token(corp: Corp, app: App, own: list[Token]) -> Token:
        for old in own[:-1]:
            del corp.tokens[old.text]
        if corp.faults.new_token_ends_old and own:
            own[-1].ended_with = own[-1].ended_with or 40014
        expires_at = corp.clock.time() + corp.settings.token_seconds
        token = Token(secrets.token_urlsafe(160), app.agent_id, expires_at)
        corp.tokens[token.text] = token
        corp.changes += 1
        return token

    # What it may ------------------------------------------------------------------------------

    def check_limits(self, corp: Corp, crowd: int) -> None:
        settings, limiter = corp.settings, corp.limiter
        per_minute = settings.calls_of.get(self.api, settings.calls_per_minute)
        now = corp.clock.time()
        if limiter.refuses(self.api, now, per_minute, settings.calls_per_hour):
            raise Refused(45009)
        if 0 < corp.faults.concurrent_calls < crowd:
            raise Refused(45033)

    @staticmethod
    def check_scope(endpoint: Endpoint, app: App) -> None:
        if app.disabled:
            raise Refused(50003)
        if not app.trusted_ip:
            raise Refused(60020)
        if endpoint.for_customers and (app.contact_sync or not app.may_call_customers):
            raise Refused(48002)
        if app.contact_sync and endpoint.api not in OF_CONTACT_SYNC:
            raise Refused(48009)

    # What it says -----------------------------------------------------------------------------

    @property
    def longest_body(self) -> int:
        return LARGEST if self.form else LARGEST_BODY

    def read_body(self, call: Call) -> None:
        if len(self.body) > self.longest_body:
            raise Refused(45001 if self.form else 40206)
        if self.form:
            call.files = read_uploads(self.request["CONTENT_TYPE"], self.body)
        elif self.body:
            call.body = read_json(self.body)

    # Answers ----------------------------------------------------------------------------------

    @staticmethod
    def success(corp: Corp, answer: Answer) -> Response:
        envelope = {} if corp.faults.no_errcode else {"errcode": 0, "errmsg": "ok"}
        return Response(body=as_json({**envelope, **answer}))

    def refusal(self, endpoint: Endpoint, refused: Refused) -> Response:
        hint = f"hint: [{int(time.time())}_{secrets.token_hex(16)}]"
        address = self.request.get("REMOTE_ADDR") or "127.0.0.1"
        more = f"https://open.work.weixin.qq.com/devtool/query?e={refused.code}"
        message = f"{refused.text}, {hint}, from ip: {address}, more info at {more}"
        answer = {"errcode": refused.code, "errmsg": message}
        if endpoint.api == "getcallbackip":
            return Response(body=as_json({**endpoint.empty, **answer}))
        return Response(body=as_json({**answer, **endpoint.empty, **refused.extra}))


def read_json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except UnicodeDecodeError:
        raise Refused(40033, "invalid charset") from None
    except ValueError:
        raise Refused(40058, "invalid json") from None
    if not isinstance(value, dict):
        raise Refused(40058, "invalid json")
    return value
