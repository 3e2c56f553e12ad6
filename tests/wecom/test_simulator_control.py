import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from defusedxml.ElementTree import fromstring

from scrm.wecom.rules import callback_crypto
from scrm.wecom.simulator.keeper import Keeper
from scrm.wecom.simulator.refusals import Refused
from scrm.wecom.simulator.world import World
from tests.wecom.simulated import PlatformApi, company

KEY = "b" * 43
HTML = {"Accept": "text/html"}


@pytest.fixture
def api():
    api = company()
    api.corp.add_staff("lin.qiao", "林乔")
    return api


class Receiver(BaseHTTPRequestHandler):
    """What a product's callback endpoint does, answering what the test wants."""

    def do_GET(self):
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        plain = callback_crypto.decrypt(KEY, query["echostr"], self.server.corp_id)
        self.answer(200, plain if self.server.honest else b"no")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        encrypted = fromstring(body).findtext("Encrypt")
        xml = callback_crypto.decrypt(KEY, encrypted, self.server.corp_id)
        self.server.received.append(fromstring(xml).findtext("UpdateDetail"))
        self.answer(self.server.answers.pop(0) if self.server.answers else 200, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(api):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.corp_id, server.honest = api.corp.corp_id, True
    server.received, server.answers = [], []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}/callback"
    yield server
    api.corp.outbox.close()
    server.shutdown()
    server.server_close()


# --- Sending ------------------------------------------------------------------------------------


def test_a_callback_address_counts_once_it_answered_the_platforms_riddle(api, receiver):
    api.corp.set_callback(receiver.url, "token", KEY)
    assert api.corp.receiver.url == receiver.url
    receiver.honest = False
    with pytest.raises(Refused) as refused:
        api.corp.set_callback(receiver.url, "token", KEY)
    assert refused.value.code == 40057
    with pytest.raises(Refused):
        api.corp.set_callback(receiver.url, "token", "short")


def test_callbacks_are_posted_in_order_and_three_times_at_most(api, receiver):
    corp = api.corp
    corp.set_callback(receiver.url, "token", KEY)
    corp.settings.callback_pause = 0.01
    chat = corp.create_group("lin.qiao")
    corp.outbox.take()
    receiver.answers = [500, 200, 500, 500, 500]
    corp.outbox.release()
    for action in (lambda: corp.join(chat, count=1), lambda: corp.rename(chat, "x"),
                   lambda: corp.set_notice(chat, "y")):  # fmt: skip
        action()
    assert corp.outbox.idle(5)
    assert receiver.received == ["add_member"] * 2 + ["change_name"] * 3 + ["change_notice"]
    answers = [(each.attempt, each.answer) for each in reversed(corp.outbox.log)]
    assert answers == [(1, "500"), (2, "200"), (1, "500"), (2, "500"), (3, "500"), (1, "200")]


def test_callbacks_get_lost_and_doubled_on_demand(api):
    corp = api.corp
    chat = corp.create_group("lin.qiao")
    corp.outbox.take()
    corp.faults.drop = 1.0
    corp.join(chat, count=1)
    assert corp.outbox.take() == []
    assert corp.outbox.log[0].answer == "lost"
    corp.faults.clear()
    corp.faults.duplicate = 1.0
    corp.join(chat, count=1)
    first, second = corp.outbox.take()
    assert first.xml == second.xml
    corp.faults.clear()
    corp.faults.delay, corp.faults.delay_seconds = 1.0, 600
    corp.outbox.release()
    corp.rename(chat, "late")
    assert len(corp.outbox.queue) == 1
    corp.outbox.close()


# --- Control ------------------------------------------------------------------------------------


def do(api, verb, expect=200, **arguments):
    answer = api.http.post(f"/_sim/corps/{api.corp.corp_id}/{verb}", json=arguments)
    assert answer.status_code == expect, answer.text
    return answer.json()


def test_programs_make_things_happen_in_json(api):
    assert "join" in api.http.get("/_sim/").json()["POST /_sim/corps/<corp_id>/<verb>"]
    made = api.http.post("/_sim/corps", json={"name": "另一家", "corp_id": "wwother"}).json()
    assert made["corp_id"] == "wwother"
    assert made["secret"]
    chat = do(api, "create_group", owner="lin.qiao", created_at="2026-03-01T08:00:00+08:00")[
        "result"
    ]
    assert len(do(api, "join", chat_id=chat, count=3)["result"]) == 3
    truth = api.http.get(f"/_sim/corps/{api.corp.corp_id}/truth/{chat}").json()
    assert truth["created_at"] == "2026-03-01T00:00:00+00:00"
    assert len(truth["periods"]) == 4
    do(api, "set_faults", drop=0.5)
    assert api.corp.faults.drop == 0.5
    before = api.corp.clock.time()
    do(api, "move_clock", seconds=3600)
    assert api.corp.clock.time() - before >= 3600


def test_wrong_requests_are_answered_in_words(api):
    assert "chat_id" in do(api, "join", expect=400, chat=1)["error"]
    assert "没有群" in do(api, "join", expect=400, chat_id="nothing", count=1)["error"]
    assert do(api, "settle", expect=404)
    assert do(api, "set_faults", expect=400, happens=1)
    assert do(api, "set_faults", expect=400, drop="all")
    assert api.http.post("/_sim/corps", content=b"[]").status_code == 400
    assert api.http.get("/_sim/corps/wwnothing").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_sites_page_makes_nothing_happen(api, headers):
    answer = api.http.post("/_sim/corps", json={"name": "x"}, headers=headers)
    assert answer.status_code == 403
    assert len(api.world.corps) == 1


def test_people_press_buttons_and_what_they_wrote_stays_text(api):
    corp = api.corp
    corp.name = "<script>公司"
    chat = corp.create_group("lin.qiao", "<b>群")
    place = f"/_sim/corps/{corp.corp_id}"
    form = {"chat_id": chat, "count": "20", "back": f"{place}/groups/{chat}"}
    pressed = api.http.post(f"{place}/join", data=form)
    assert pressed.status_code == 303
    page = api.http.get(pressed.headers["Location"], headers=HTML)
    assert "20 人已进群" in page.text
    assert len(corp.group(chat).members) == 21
    for address in ("/_sim/", place, f"{place}/groups/{chat}", f"/_sim/scan/{chat}"):
        shown = api.http.get(address, headers=HTML)
        assert shown.status_code == 200
        assert "<script>" not in shown.text
        assert "<b>" not in shown.text
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    away = api.http.post(f"{place}/leave", data={"chat_id": chat, "back": "//evil.example"})
    assert away.headers["Location"].startswith("/_sim/?note=")


def test_somebody_scans_into_a_group_and_keeps_the_channel(api):
    chat = api.corp.create_group("lin.qiao", "群")
    page = api.http.get(f"/_sim/scan/{chat}?state=store_07", headers=HTML)
    assert 'value="store_07"' in page.text
    api.http.post(f"/_sim/scan/{chat}", data={"name": "小舟", "state": "store_07"})
    period = api.corp.truth(chat).periods[-1]
    assert (period.scene, period.state) == (3, "store_07")
    assert api.corp.person(period.member_id).name == "小舟"


# --- Keeping ------------------------------------------------------------------------------------


def test_a_world_is_written_down_and_found_again(api, tmp_path):
    corp, path = api.corp, tmp_path / "world.json"
    chat = corp.create_group(
        "lin.qiao", "群", members=[corp.add_customer("小舟", staff="lin.qiao")]
    )
    corp.leave(chat, corp.join(chat, count=2)[0])
    corp.faults.refuse("user/*", -1, times=-1)
    keeper = Keeper(api.world, path)
    assert keeper.keep()
    assert not keeper.keep()
    assert path.stat().st_mode & 0o077 == 0

    again = Keeper.opened(path)
    assert again.world.as_json() == api.world.as_json()
    twin = again.world.corps[corp.corp_id]
    assert twin.truth(chat) == corp.truth(chat)
    assert len(twin.outbox) == len(corp.outbox)
    assert PlatformApi(twin, again.world).get("user/get", userid="lin.qiao")["errcode"] == -1
    twin.join(chat, count=1)
    assert again.keep()


def test_a_file_of_another_version_is_refused(tmp_path):
    path = tmp_path / "world.json"
    path.write_text('{"version": 0, "world": {}}')
    with pytest.raises(ValueError, match="another version"):
        World.load(path)
