#!/usr/bin/env bash
# wheel-licences.sh WHEEL OPTION...: puts the licences of the libraries in a wheel into it, as LICENSE.libraries: of those
# that auditwheel has added, and of what the options of packaging/licences.py name. wheel.sh calls it.
set -euo pipefail
cd "$(dirname "$0")/.."

wheel=$1
tool=build/wheel/tools/bin/wheel
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$tool" unpack --dest "$folder" "$wheel" >/dev/null
info=$(echo "$folder"/*/*.dist-info)
packaging/licences.py --libraries "$folder"/*/*.libs "${@:2}" >"$info/licenses/LICENSE.libraries"
sed -i 's/^License-File: LICENSE$/&\n&.libraries/' "$info/METADATA"
"$tool" pack --dest-dir "$(dirname "$wheel")" "$folder"/* >/dev/null
