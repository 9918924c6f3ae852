#!/usr/bin/env bash
# Compiled by Inductor, which also makes the packages of AOTInductor, and in the models of torch.onnx.export, `x // y`
# of floats rounds the quotient first and then down: 1.0 // 0.1 is 10, and what is put into bins of a tenth lies one
# too high. `x % y` is computed from the quotient, too: 10,000,000,000 % 3 is 0, and 7 % infinity is NaN.
#
# Expected, before it was run: 9, 1 and 7, as eager mode, NumPy and Python compute.
# Found on 2026-11-30 with Python 3.11.7 and g++ 12.2 on x86-64. The exported program is right, and so are integers and
# torch.fmod. torch knows of `//`: pytorch/pytorch#197895, open.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 onnxscript==0.7.2

export TORCHINDUCTOR_CACHE_DIR="$folder/cache" TMPDIR="$folder"
"$folder/venv/bin/python" -W ignore - "$folder/model.pt2" <<'END'
import logging
import sys
from collections.abc import Sequence

import onnx
import onnxruntime
import onnxscript
import torch

logging.disable(logging.WARNING)
print(
    f"torch {torch.__version__}, onnx {onnx.__version__}, onnxscript {onnxscript.__version__}, "
    f"onnxruntime {onnxruntime.__version__}, Python {sys.version.split()[0]}"
)


class Divisions(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor, i: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return x // y, x % y, torch.fmod(x, y), i // 3


NAMES = ("//", "%", "fmod")
PAIRS = ((1.0, 0.1), (1e10, 3.0), (7.0, float("inf")))
dividends, divisors = zip(*PAIRS, strict=True)
inputs = (torch.tensor(dividends), torch.tensor(divisors), torch.tensor([7, -7]))
module = Divisions()
program = torch.export.export(module, inputs)
package = torch._inductor.aoti_compile_and_package(program, package_path=sys.argv[1])
model = torch.onnx.export(module, inputs, dynamo=True, verbose=False).model_proto.SerializeToString()
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def run_session(*inputs: torch.Tensor) -> Sequence:
    arrays = {tensor.name: array.numpy() for tensor, array in zip(session.get_inputs(), inputs, strict=True)}
    return session.run(None, arrays)


ways = {
    "eager": module,
    "exported program": program.module(),
    "torch.compile": torch.compile(module),
    "AOTInductor": torch._inductor.aoti_load_package(package),
    "ONNX Runtime": run_session,
}

seen = {}
for way, run in ways.items():
    *of_floats, of_integers = run(*inputs)
    seen[way] = {
        f"{x:g} {name} {y:g}": f"{result:.3g}"
        for name, results in zip(NAMES, of_floats, strict=True)
        for (x, y), result in zip(PAIRS, results.tolist(), strict=True)
    }
    seen[way]["[7, -7] // 3"] = str(of_integers.tolist())
    print(f"{way}: {', '.join(f'{what} = {result}' for what, result in seen[way].items())}")

right = {
    "1 // 0.1": "9",
    "1e+10 // 3": "3.33e+09",
    "7 // inf": "0",
    "1 % 0.1": "0.1",
    "1e+10 % 3": "1",
    "7 % inf": "7",
    "1 fmod 0.1": "0.1",
    "1e+10 fmod 3": "1",
    "7 fmod inf": "7",
    "[7, -7] // 3": "[2, -3]",
}
compiled = right | {"1 // 0.1": "10", "1e+10 % 3": "0", "7 % inf": "nan"}
recorded = dict.fromkeys(("eager", "exported program"), right)
recorded |= dict.fromkeys(("torch.compile", "AOTInductor"), compiled)
recorded["ONNX Runtime"] = compiled | {"1 % 0.1": "0"}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: compiled and in ONNX, 1.0 // 0.1 is 10, and remainders are of that kind.")
END
