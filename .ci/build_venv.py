"""Build .venv from requirements.lock, or bring it up to date.

Safe to interrupt, and to run twice at once.
"""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".complete"  # written last: a folder without it was interrupted and is built again
PYTHON = VENV / "bin" / "python"


def wanted() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def runs() -> bool:
    """The Python that the environment was made from may be gone."""
    try:
        return subprocess.run([PYTHON, "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pip(*arguments: str) -> str:
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def remove_leftovers() -> None:
    locked = {
        normal(line.split("==")[0])
        for line in LOCK.read_text().splitlines()
        if re.match(r"[A-Za-z0-9].*==", line)
    }
    installed = {
        normal(line.split("==")[0]) for line in pip("list", "--format=freeze").splitlines()
    }
    if leftovers := sorted(installed - locked - {"pip"}):
        pip("uninstall", "--yes", "--quiet", *leftovers)


def build() -> None:
    if not STAMP.exists() or not runs():
        shutil.rmtree(VENV, ignore_errors=True)
        print(
            f"[.venv] 创建虚拟环境 · creating it with Python {sys.version.split()[0]}", flush=True
        )
        venv.create(VENV, with_pip=True, symlinks=True)
    STAMP.unlink(missing_ok=True)
    print("[.venv] 安装依赖，约一分钟 · installing requirements.lock, about a minute", flush=True)
    pip("install", "-qq", "--no-deps", "--require-hashes", "--requirement", str(LOCK))
    remove_leftovers()
    pip("check")
    STAMP.write_text(wanted())


def main() -> int:
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if STAMP.exists() and STAMP.read_text() == wanted() and runs():
            STAMP.touch()
            return 0
        try:
            build()
        except subprocess.CalledProcessError as error:
            print(error.stdout or "", file=sys.stderr)
            print("[.venv] 安装失败，见上文 · installation failed, see above", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
