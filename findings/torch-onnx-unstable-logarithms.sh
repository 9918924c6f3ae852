#!/usr/bin/env bash
# torch.onnx.export writes functions that exist for the sake of their accuracy as the formula that they are there to
# avoid: log1p(1e-8) and expm1(1e-8) are 0 in the ONNX model, logsigmoid(-100) is minus infinity, and logaddexp(1000,
# 1000) infinity. logsumexp, softplus and log_softmax are right.
#
# Expected, before it was run: what the module computes, but for some last bits, or a refusal, as with torch.hypot.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. The model has Log(1 + x), Exp(x) - 1, Log(Sigmoid(x)) and
# Log(Exp(x) + Exp(y)). A program of torch.export keeps the operators, and is right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 onnxscript==0.7.2

"$folder/venv/bin/python" -W ignore - "$folder/program.pt2" <<'END'
import logging
import sys

import onnx
import onnxruntime
import onnxscript
import torch
from torch.nn import functional

logging.disable(logging.WARNING)
print(
    f"torch {torch.__version__}, onnx {onnx.__version__}, onnxscript {onnxscript.__version__}, "
    f"onnxruntime {onnxruntime.__version__}, Python {sys.version.split()[0]}"
)


class Functions(torch.nn.Module):
    def forward(self, small: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (
            torch.log1p(small),
            torch.expm1(small),
            functional.logsigmoid(low),
            torch.logaddexp(high, high),
            torch.logsumexp(torch.cat([high, high]), 0, keepdim=True),
            functional.softplus(high),
            functional.log_softmax(torch.cat([high, low]), 0)[:1],
        )


NAMES = (
    "log1p(1e-8)",
    "expm1(1e-8)",
    "logsigmoid(-100)",
    "logaddexp(1000, 1000)",
    "logsumexp([1000, 1000])",
    "softplus(1000)",
    "log_softmax([1000, -100])[0]",
)
inputs = (torch.tensor([1e-8]), torch.tensor([-100.0]), torch.tensor([1000.0]))
module = Functions()
torch.export.save(torch.export.export(module, inputs), sys.argv[1])
model = torch.onnx.export(module, inputs, dynamo=True, verbose=False).model_proto.SerializeToString()
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
arrays = {tensor.name: array.numpy() for tensor, array in zip(session.get_inputs(), inputs, strict=True)}
ways = {
    "torch": module(*inputs),
    "exported program": torch.export.load(sys.argv[1]).module()(*inputs),
    "ONNX Runtime": session.run(None, arrays),
}

seen = {
    way: dict(zip(NAMES, (f"{float(result[0]):.6g}" for result in results), strict=True))
    for way, results in ways.items()
}
for name in NAMES:
    print(f"  {name}: {', '.join(f'{texts[name]} ({way})' for way, texts in seen.items())}")

right = dict(zip(NAMES, ("1e-08", "1e-08", "-100", "1000.69", "1000.69", "1000", "0"), strict=True))
wrong = {"log1p(1e-8)": "0", "expm1(1e-8)": "0", "logsigmoid(-100)": "-inf", "logaddexp(1000, 1000)": "inf"}
recorded = {"torch": right, "exported program": right, "ONNX Runtime": right | wrong}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: the ONNX model computes what the functions are there to avoid.")
END
