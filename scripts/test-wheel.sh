#!/usr/bin/env bash
# test-wheel.sh installs the wheels of build/wheel/dist and torch into an empty environment, and converts an array with
# the server that came with them. It tells the time from pip's start to the first receipt.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/torch_index.sh

DIST=build/wheel/dist
PYTHON=.venv/bin/python
say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'test-wheel: %s\n' "$*" >&2
  exit 1
}
eval "$(grep '^TORCH_' scripts/setup.sh)"
index=()
if pytorch_answers "$TORCH_CPU_INDEX"; then index=(--extra-index-url "$TORCH_CPU_INDEX"); fi

venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"$PYTHON" -m venv "$venv"
cd "$venv"
say "Installing $(cd "$OLDPWD/$DIST" && echo *.whl) and torch $TORCH_VERSION into an empty environment"
begin=$(date +%s.%N)
# Python compiles a module when it is first imported. To compile all of torch's, of which the programs need none, takes
# pip longer than all else.
bin/pip install -q --no-compile "${index[@]}" "torch==$TORCH_VERSION+cpu" "$OLDPWD/$DIST"/*.whl || fail "pip could not install the wheels"
installed=$(date +%s.%N)
bin/python - <<'END' || fail "an array did not convert"
import numpy as np
import tensorferry

with tensorferry.Server() as address, tensorferry.Client(address) as client:
    receipt = client.convert(np.linspace(0, 1, 1000))
    assert receipt.dtype_equal and receipt.digest_equal, receipt
    print(f"    {receipt}")
END
end=$(date +%s.%N)
say "$(awk -v a="$begin" -v b="$installed" -v c="$end" 'BEGIN {printf "pip took %.1f s, start and first receipt %.1f s", b - a, c - b}')"

say "Having the compiled core make calls, beside grpcio and torch in one process"
TENSORFERRY_CORE=compiled bin/python - <<'END' || fail "the compiled core does not work"
import numpy as np
import tensorferry
import torch

with tensorferry.Server() as address, tensorferry.Client(address) as client:
    assert tensorferry.core(client) == "compiled"
    for elements in (16, 1 << 20, 1 << 24):  # In a message, and in chunks.
        receipt = client.convert(np.arange(elements, dtype=np.float32), return_data=True)
        assert receipt.digest_equal and torch.equal(tensorferry.as_torch(receipt.data), torch.arange(elements).float())
    print(f"    {receipt}; grpcio: {client.health()}")
END

say "Running the programs by their names"
bin/tensorferry version
bin/tensorferry-server --version
bin/python -m tensorferry.server --version

say "Licences, and the glibc that the documents name"
bin/python - "$OLDPWD" <<'END' || fail "the wheels are not what they are said to be"
import json
import re
import sys
from importlib import metadata
from pathlib import Path

root = Path(sys.argv[1])
for name, within in (("tensorferry", "nanobind"), ("tensorferry-server", "libprotobuf-dev")):
    wheel = metadata.distribution(name)
    licences = wheel.metadata.get_all("License-File")
    assert licences == ["LICENSE", "LICENSE.libraries"], licences
    own, libraries = (wheel.read_text(f"licenses/{file}") for file in licences)
    assert own == (root / "LICENSE").read_text(), name
    headings = re.findall(r"^==== (\S.*)$", libraries, re.MULTILINE)
    told = {each for heading in headings for each in heading.split(", ")}
    bill = json.loads(wheel.read_text("sboms/auditwheel.cdx.json"))["components"]
    brought = {each["name"] for each in bill if each["purl"].startswith("pkg:deb/")}  # Most of them: it lacks libbz2.
    assert {within, "libssl3", *brought} <= told, {within, "libssl3", *brought} - told
    (glibc,) = set(re.findall(r"manylinux_2_(\d+)_x86_64", wheel.read_text("WHEEL")))
    for page in ("docs/deployment.md", "packaging/wheel/README.md"):
        said = re.findall(r"glibc 2\.(\d+)", (root / page).read_text())
        assert set(said) == {glibc}, f"{page} says glibc 2.{said}, and the wheel needs 2.{glibc}"
    print(f"    {name}: glibc 2.{glibc}, {len(told)} licences")
END
