#!/usr/bin/env bash
# gpu-check.sh [PYTHON]: on a Debian 12 with an NVIDIA GPU and a Python, python3, whose torch has CUDA, builds what runs
# models with that torch, runs its tests, of which those on the GPU must not be skipped, and prints how fast elements
# reach the GPU. Then it builds the server as it is built without a GPU, with the torch for CPUs, and looks whether CUDA
# shared memory is registered, used and unregistered, and wrong handles refused, by tritonclient and by torch's tensors. It
# takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=$(command -v "${1:-python3}") || {
  echo "gpu-check: there is no ${1:-python3}" >&2
  exit 1
}
TESTS=build/inference/bin/inference_test
say() { printf '==> %s (after %s s)\n' "$*" "$SECONDS"; }
fail() {
  printf 'gpu-check: %s\n' "$*" >&2
  exit 1
}

say "The GPU"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || fail "nvidia-smi shows no GPU"
"$PYTHON" - <<'END' || fail "the torch of $PYTHON cannot use it"
import torch

assert torch.cuda.is_available(), "torch.cuda.is_available() is False"
print(f"torch {torch.__version__}, CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}")
END

say "Building, and testing everything that runs models"
make test-inference TORCH_PYTHON="$PYTHON"

say "The tests on the GPU by themselves"
"$TESTS" --gtest_filter='GpuTest.*' --gtest_brief=0 | tee build/inference/gpu.log
if grep -q SKIPPED build/inference/gpu.log; then fail "tests were skipped: libtorch sees no GPU"; fi

say "Elements on their way to the GPU: as they lie, pinned for each request as the server does, and pinned already"
"$PYTHON" - <<'END'
import time

import torch


def rate(upload, nbytes):
    """GB/s, the best of some rounds."""
    best = float("inf")
    for _ in range(20):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        upload()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begin)
    return nbytes / best / 1e9


print(f"{'bytes':>10} {'pageable':>10} {'pin+copy':>10} {'pinned':>10}  GB/s")
for nbytes in (64 << 10, 1 << 20, 16 << 20, 256 << 20):
    elements = torch.zeros(nbytes, dtype=torch.uint8)
    pinned = elements.pin_memory()
    rates = (
        rate(lambda: elements.to("cuda"), nbytes),
        rate(lambda: elements.pin_memory().to("cuda", non_blocking=True), nbytes),
        rate(lambda: pinned.to("cuda", non_blocking=True), nbytes),
    )
    print(f"{nbytes:>10} " + " ".join(f"{each:10.2f}" for each in rates))
END
say "A server as it is built without a GPU"
scripts/setup.sh test
UNITY=ON scripts/build.sh release "$(nproc)" tensorferry-server
tests/integration/oip/environments.sh tritonclient
tests/integration/oip/environments.sh perf-analyzer # It is made with tritonclient 2.45.0.

say "CUDA shared memory: tritonclient, and NVIDIA's driver on both sides"
TENSORFERRY_GPU=real .venv/bin/python -m pytest -q tests/integration/oip/test_cuda_memory.py

say "CUDA shared memory: torch's tensors"
"$PYTHON" scripts/gpu_memory.py build/release/bin/tensorferry-server
say "All is well"
