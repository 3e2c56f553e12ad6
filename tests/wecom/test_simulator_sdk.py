"""An SDK of others (wechatpy) speaks to the simulator as it does to the platform."""

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.conf import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # an old SDK: it warns of its own methods
    from wechatpy.enterprise import WeChatClient, parse_message
    from wechatpy.enterprise.crypto import WeChatCrypto
    from wechatpy.exceptions import WeChatClientException

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*method of `WeChatClient` is deprecated"),
]

TOKEN, KEY = "hJqcu3uJ9Tn2gXPmxx2w9kkCkCE2EPYo", "6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """``manage.py wecom_simulator`` in a process of its own."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.state = folder / "world.json"

    def start(self):
        command = [sys.executable, "manage.py", "wecom_simulator", "--port", str(self.port),
                   "--state", str(self.state)]  # fmt: skip
        environment = {**os.environ, "SCRM_DATA_DIR": str(self.folder),
                       "DJANGO_SETTINGS_MODULE": "scrm.settings"}  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=settings.BASE_DIR, env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                return httpx.get(f"{self.url}/_sim/corps", timeout=1)
            except httpx.TransportError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def do(self, corp, verb, **arguments):
        answer = httpx.post(f"{self.url}/_sim/corps/{corp['corp_id']}/{verb}", json=arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    program = Program(tmp_path_factory.mktemp("simulator"))
    program.start()
    yield program
    program.stop()


@pytest.fixture
def corp(program):
    corp = httpx.post(f"{program.url}/_sim/corps", json={"name": "某公司"}).json()
    program.do(corp, "add_staff", userid="lin.qiao", name="林乔")
    return corp


def client_of(program, corp):
    """The SDK, told where this company's platform is."""

    class Client(WeChatClient):
        API_BASE_URL = f"{program.url}/cgi-bin/"

        def fetch_access_token(self):
            return self._fetch_access_token(
                f"{self.API_BASE_URL}gettoken",
                {"corpid": self.corp_id, "corpsecret": self.secret},
            )

    client = Client(corp["corp_id"], corp["secret"])
    client._http.trust_env = False
    return client


def test_the_sdk_reads_a_company_and_heals_a_token_that_ended(program, corp):
    team = program.do(corp, "add_department", name="社群运营部")
    customer = program.do(corp, "add_customer", name="小舟", staff="lin.qiao")
    chat = program.do(corp, "create_group", owner="lin.qiao", name="群", members=[customer])
    client = client_of(program, corp)

    assert [each["name"] for each in client.department.get()] == ["某公司", "社群运营部"]
    assert client.department.get_users(team) == []
    assert client.user.get("lin.qiao")["name"] == "林乔"
    assert client.external_contact.get_follow_user_list()["follow_user"] == ["lin.qiao"]
    assert client.external_contact.list("lin.qiao")["external_userid"] == [customer]
    assert client.external_contact.get(customer)["external_contact"]["name"] == "小舟"

    program.do(corp, "end_tokens", code=42001)
    groups = client.external_contact_group_chat
    assert groups.list()["group_chat_list"] == [{"chat_id": chat, "status": 0}]
    assert len(groups.get(chat)["group_chat"]["member_list"]) == 2
    with pytest.raises(WeChatClientException) as refused:
        groups.get("nothing")
    assert refused.value.errcode == 40050
    client._http.close()


def test_the_sdk_uploads_tags_and_makes_a_mass_message(program, corp):
    customer = program.do(corp, "add_customer", staff="lin.qiao")
    client = client_of(program, corp)
    image = io.BytesIO(b"\x89PNG\r\n\x1a\n rest")
    image.name = "picture.png"
    media = client.media.upload("image", image)
    tag = client.external_contact.add_corp_tag(None, "来源", 1, [{"name": "展会"}])
    tag_id = tag["tag_group"]["tag"][0]["id"]
    client.external_contact.mark_tag("lin.qiao", customer, add_tag=[tag_id])
    follow = client.external_contact.get(customer)["follow_user"][0]
    assert [each["tag_name"] for each in follow["tags"]] == ["展会"]
    message = {
        "external_userid": [customer],
        "sender": "lin.qiao",
        "text": {"content": "你好"},
        "attachments": [{"msgtype": "image", "image": {"media_id": media["media_id"]}}],
    }
    made = client.external_contact.add_msg_template(message)
    assert made["fail_list"] == []
    assert program.do(corp, "tap_send", msgid=made["msgid"], userid="lin.qiao") == 1
    client._http.close()


class Receiver(BaseHTTPRequestHandler):
    """An endpoint that lets the SDK check and open what our sender really posts."""

    def query(self):
        return {name: each[0] for name, each in parse_qs(urlsplit(self.path).query).items()}

    def do_GET(self):
        query, crypto = self.query(), self.server.crypto
        self.answer(
            crypto.check_signature(
                query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"]
            )
        )

    def do_POST(self):
        query, body = self.query(), self.rfile.read(int(self.headers["Content-Length"]))
        xml = self.server.crypto.decrypt_message(
            body.decode(), query["msg_signature"], query["timestamp"], query["nonce"]
        )
        self.server.received.append(parse_message(xml))
        self.server.arrived.release()
        self.answer(b"")

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else body.encode())

    def log_message(self, *_):
        pass


def test_the_sdk_opens_the_callbacks_that_the_simulator_posts(program, corp):
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.crypto = WeChatCrypto(TOKEN, KEY, corp["corp_id"])
    server.received, server.arrived = [], threading.Semaphore(0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        program.do(corp, "set_callback", url=url, token=TOKEN, aes_key=KEY)
        chat = program.do(corp, "create_group", owner="lin.qiao", name="群 🐳")
        came = program.do(corp, "join", chat_id=chat, count=20)
        for _ in range(2):
            assert server.arrived.acquire(timeout=10)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    create, update = (message._data for message in server.received)
    assert (create["ChangeType"], create["ChatId"]) == ("create", chat)
    assert update["UpdateDetail"] == "add_member"
    assert update["MemChangeList"]["Item"] == came


def test_the_program_ends_when_asked_and_finds_its_world_again(program, corp):
    chat = program.do(corp, "create_group", owner="lin.qiao", members=3)
    assert program.stop() == 0
    program.start()
    place = f"{program.url}/_sim/corps/{corp['corp_id']}/truth/{chat}"
    assert len(httpx.get(place).json()["periods"]) == 4
