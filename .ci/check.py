"""make check: every step runs, the failures are listed at the end. Names of steps select some."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.engines import own_engines  # noqa: E402 - after the path is known

PYTHON = sys.executable
PACKAGES = ("scrm", "communities", "members", "campaigns", "bench", "manage.py")


def run(*command: str) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def module(*arguments: str) -> bool:
    return run(PYTHON, "-m", *arguments)


def manage(*arguments: str) -> bool:
    return run(PYTHON, "manage.py", *arguments)


def schema_is_committed() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "openapi.yaml"
        if not manage("spectacular", "--validate", "--fail-on-warn", "--file", str(fresh)):
            return False
        if fresh.read_text() != (ROOT / "openapi.yaml").read_text():
            print("openapi.yaml is not what the code says. Run: make schema")
            return False
    return True


STEPS: dict[str, Callable[[], bool]] = {
    "format": lambda: module("ruff", "format", "--check", "--quiet", "."),
    "lint": lambda: module("ruff", "check", "--quiet", "."),
    "types": lambda: module("mypy", *PACKAGES),
    "imports": lambda: run(str(Path(PYTHON).with_name("lint-imports")), "--no-cache"),
    "migrations": lambda: manage("makemigrations", "--check", "--dry-run", "-v", "1"),
    "deploy": lambda: manage("check", "--deploy", "--fail-level", "WARNING"),
    "schema": schema_is_committed,
    "client": lambda: run(PYTHON, ".ci/client.py", "--check"),
    "messages": lambda: manage("messages", "--check"),
    "tests": lambda: module("pytest", "-n", "4", "--dist", "worksteal", "-q"),
}


def like_production() -> None:
    """Engines of our own, so nothing of a running `make up` is touched."""
    own_engines()
    os.environ["SCRM_SECRET_KEY"] = secrets.token_urlsafe(64)
    os.environ["SCRM_PII_KEYS"] = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    os.environ["SCRM_HOSTS"] = "scrm.example,testserver,localhost,127.0.0.1"
    os.environ["DJANGO_SETTINGS_MODULE"] = "scrm.settings"


def main() -> int:
    chosen = sys.argv[1:] or list(STEPS)
    like_production()
    failures = []
    for name in chosen:
        began = time.monotonic()
        print(f"--- {name}", flush=True)
        os.environ["SCRM_HTTPS"] = "false" if name == "tests" else "true"
        good = STEPS[name]()
        print(
            f"    {name}: {'ok' if good else 'FAILED'} {time.monotonic() - began:.1f}s", flush=True
        )
        failures += [] if good else [name]
    print(f"failed: {', '.join(failures)}" if failures else "all good")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
