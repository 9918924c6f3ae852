"""The pieces that `make bench` measures still run. Nothing here looks at their times."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("TENSORFERRY_BENCH_PIECES", ROOT / "build/release/bin/bench_pieces"))


def test_no_piece_fails() -> None:
    command = [PROGRAM, "--benchmark_min_time=0.001", "--benchmark_format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    pieces = json.loads(done.stdout)["benchmarks"]
    assert {"ReadInPlace/64", "EncodeReply"} <= {piece["name"] for piece in pieces}
    assert [piece["name"] for piece in pieces if piece.get("error_occurred")] == []
