#!/usr/bin/env bash
# apache-arrow for JavaScript makes of numbers beyond the range of float16 others of any size: 100,000 becomes 3.05, and
# 2.9e-8 becomes minus infinity. Numbers within the range are those of NumPy.
#
# Expected, before it was run: infinity and 0, as NumPy, IEEE 754 and JavaScript's own Float16Array have it.
# Found on 2026-11-30 with Node.js 20.20.2 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" apache-arrow@21.2.0
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6

cat >"$folder/arrow.mjs" <<'END'
import { Float16, vectorFromArray } from "apache-arrow";

const numbers = process.argv.slice(2).map(Number);
console.log([...vectorFromArray(numbers, new Float16())].join(" "));
END
"$folder/venv/bin/python" - "$folder" <<'END'
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
package = json.loads((folder / "node_modules/apache-arrow/package.json").read_text())
node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
print(f"apache-arrow {package['version']}, Node.js {node}, numpy {np.__version__}")
NUMBERS = (0.1, 65504, 65520, 66000, 100000, -100000, 1e6, 6e-8, 2.9e-8, 1e-9)
command = ["node", "arrow.mjs", *map(str, NUMBERS)]
text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout
with np.errstate(over="ignore"):
    expected = np.array(NUMBERS).astype(np.float16).tolist()

seen = {}
for number, word, right in zip(NUMBERS, text.split(), expected, strict=True):
    seen[number] = "as NumPy" if float(word) == right else f"{float(word):.3g}"
    print(f"  {number:g}: {float(word):.3g}, in NumPy {right:.3g}")

recorded = dict.fromkeys(NUMBERS, "as NumPy")
recorded |= {66000: "2.01", 100000: "3.05", -100000: "-3.05", 1e6: "3.81", 2.9e-8: "-inf", 1e-9: "4.2e-05"}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: what is too large or too small for float16 becomes another number.")
END
