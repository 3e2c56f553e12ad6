"""`make up` as a person meets it: real processes, a data folder and a port of their own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scrm.processes import command_of

ROOT = Path(__file__).resolve().parents[2]
OF_THE_TESTS = {"DATABASE_URL", "REDIS_URL", "SCRM_TEST_ENGINES", "DJANGO_SETTINGS_MODULE"}
OF_THE_TESTS |= {"SCRM_SECRET_KEY", "SCRM_PII_KEYS", "SCRM_HOSTS", "SCRM_HTTPS"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(data, port, simulator_port=None):
    kept = {name: value for name, value in os.environ.items() if name not in OF_THE_TESTS}
    return {
        **kept,
        "SCRM_DATA_DIR": str(data),
        "SCRM_PORT": str(port),
        "SCRM_SIMULATOR_PORT": str(simulator_port or free_port()),
        "SCRM_WEB_WORKERS": "1",
        "SCRM_DEMO": "false",
        "LANG": "zh_CN.UTF-8",
        "LC_ALL": "",
    }


class Up:
    """One `make up`, and what it has said so far."""

    def __init__(self, data, port, simulator_port):
        self.data, self.port, self.simulator_port = data, port, simulator_port
        self.log = (data.parent / "up.log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scrm.launcher"],
            cwd=ROOT,
            env=environment(data, port, simulator_port),
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def said(self):
        return Path(self.log.name).read_text()

    def wait_for(self, text, within=180):
        deadline = time.monotonic() + within
        while text not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def address(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def pid_of(self, name):
        return int((self.data / "pids" / f"{name}.pid").read_text())

    def family(self):
        """Every process that names the data folder in its command line."""
        return [
            int(path.name)
            for path in Path("/proc").iterdir()
            if path.name.isdigit() and str(self.data) in command_of(int(path.name))
        ]

    def leaves_nobody(self, within=15):
        deadline = time.monotonic() + within
        while self.family() and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.family() == []


@pytest.fixture
def up():
    started = []
    with tempfile.TemporaryDirectory(prefix="scrm-up-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        data, ports = Path(folder) / "data", (free_port(), free_port())

        def start():
            started.append(Up(data, *ports))
            return started[-1]

        yield start
        for each in started:
            if each.process.poll() is None:
                each.process.terminate()
            each.process.wait(60)
            each.log.close()


def launch(data, port, simulator_port=None):
    return subprocess.run(
        [sys.executable, "-m", "scrm.launcher"],
        cwd=ROOT,
        env=environment(data, port, simulator_port),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds its processes in /proc")
def test_make_up_from_the_first_start_to_the_last_stop(up):
    first = up()
    first.wait_for("Ctrl-C")

    # the doors are open, and shown with what is needed to enter
    with urllib.request.urlopen(first.address("/readyz")) as response:
        assert json.load(response) == {"status": "ready"}
    assert re.search(r"密码 \S{16}", first.said())
    simulated = f"http://127.0.0.1:{first.simulator_port}/_sim/"
    assert f"模拟企业微信  {simulated}" in first.said()
    with urllib.request.urlopen(f"{simulated}corps") as response:
        assert json.load(response) == {"corps": []}
    key = re.search(r"scrm_\S{20,}", first.said())[0]
    request = urllib.request.Request(
        first.address("/api/v1/me/"), headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request) as response:
        assert json.load(response)["username"] == "admin"

    # a second one says where the first one is; another program's port is named
    second = launch(first.data, free_port())
    assert (second.returncode, str(first.process.pid) in second.stdout) == (1, True)
    assert first.address("/admin/") in second.stdout.replace("\n", "")
    other = first.data.parent / "other"
    with ThreadPoolExecutor() as pool:
        elsewhere = pool.submit(launch, other, first.port)
        beside = pool.submit(launch, other.with_name("beside"), free_port(), first.simulator_port)
    assert (elsewhere.result().returncode, beside.result().returncode) == (1, 1)
    assert f"端口 {first.port} 已被" in elsewhere.result().stdout
    assert "SCRM_PORT=" in elsewhere.result().stdout
    assert f"端口 {first.simulator_port} 已被" in beside.result().stdout
    assert "SCRM_SIMULATOR_PORT=" in beside.result().stdout

    # a command works beside it, on the same engines
    doctor = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT,
        env=environment(first.data, first.port),
        capture_output=True,
        timeout=60,
        check=False,
    )
    checks = {each["name"]: each["status"] for each in json.loads(doctor.stdout)["checks"]}
    assert (doctor.returncode, checks["workers"], checks["beat"]) == (0, "ok", "ok")

    # a process that dies is started again, and it is said
    os.kill(first.pid_of("beat"), signal.SIGKILL)
    first.wait_for("beat 意外退出")

    # killed, it takes everybody along; started again, it continues with the same data
    first.process.kill()
    first.process.wait()
    assert first.leaves_nobody()
    again = up()
    again.wait_for("Ctrl-C")
    assert "首次启动时已显示" in again.said()
    with urllib.request.urlopen(request) as response:
        assert response.status == 200

    # asked to stop, it leaves nobody behind
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(60) == 0
    assert "已全部停止" in again.said()
    assert again.family() == []


@pytest.mark.slow
def test_a_request_to_stop_is_heard_while_starting(up):
    starting = up()
    starting.wait_for("[1/5]")

    starting.process.send_signal(signal.SIGINT)

    assert starting.process.wait(60) == 0
    assert starting.leaves_nobody()
