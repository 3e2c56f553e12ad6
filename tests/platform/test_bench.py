import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {
    "name", "case", "size", "round",
    "items_per_s", "cpu_us_per_item", "wal_bytes_per_item", "peak_pss_mib",
}  # fmt: skip


@pytest.mark.slow
def test_a_benchmark_prints_a_line_per_round_and_case_and_a_summary():
    environment = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "bench", "_probe", "--size", "500", "--rounds", "2", "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    *rounds, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["case"], each["round"], each["size"]) for each in rounds] == [
        ("limit", 1, 500),
        ("ours", 1, 500),
        ("peer:few", 1, 100),
        ("limit", 2, 500),
        ("ours", 2, 500),
        ("peer:few", 2, 100),
    ]
    assert all(set(each) == FIELDS for each in rounds)
    assert rounds[1]["wal_bytes_per_item"] > rounds[0]["wal_bytes_per_item"] > 0
    assert summary["case"] == "summary"
    assert 0 < summary["to_limit"] < 1
    assert summary["to_peer:few"] > 0
    assert set(summary["medians"]) == {"limit", "ours", "peer:few"}


def test_an_unknown_benchmark_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "nonsense"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "nonsense" in done.stderr
