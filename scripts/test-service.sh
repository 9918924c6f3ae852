#!/usr/bin/env bash
# test-service.sh ROOT starts systemd in the Debian of that folder, which has the packages installed, and looks at what the
# service does there under its unit: test-packages.sh calls it. It needs root, and control groups that it can write to;
# where systemd does not start it says so, and tries nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

ROOT=$1
SOCKET=unix:/run/tensorferry/socket
LOG=build/release/packages/service.log

say() { printf '==> %s\n' "$*"; }
fail() {
  booted journalctl --no-pager --quiet --unit tensorferry-server >&2 || true
  printf 'test-service: %s; the journal of the service is above\n' "$*" >&2
  exit 1
}

# booted COMMAND... runs it in that Debian, beside its systemd.
booted() { nsenter --target "$init" --mount --uts --ipc --pid --root --wd env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 "$@"; }
property() { booted systemctl show --value --property "$1" tensorferry-server; }

# await SECONDS COMMAND... runs it until it succeeds.
await() {
  local deadline=$((SECONDS + $1))
  until "${@:2}"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}
is_booted() {
  init=$(pgrep --parent "$machine" | head -n 1) && [ -n "$init" ] && booted test -S /run/systemd/private 2>/dev/null
}
has_ended() { ! kill -0 "$machine" 2>/dev/null; }
is_booted_or_ended() { is_booted || has_ended; }
is_serving() { [ "$(property StatusText)" = serving ]; }

# convert GROUP converts an array as another user, who is a member of this group.
convert() {
  .venv/bin/python -c 'import numpy, sys; numpy.save(sys.stdout.buffer, numpy.linspace(0, 1, 1000))' |
    booted setpriv --reuid nobody --regid nogroup --groups "$1" tensorferry convert - --server "$SOCKET"
}

machine= init=
cleanup() {
  if [ -z "$machine" ] || has_ended; then return; fi
  kill -TERM "$machine"
  await 60 has_ended || kill -TERM "$machine" # The second signal ends a machine that does not stop by itself.
  wait "$machine" || true
}
trap cleanup EXIT

# The settings for callers of this machine that packaging/debian/default proposes, and nothing that takes a port of it.
chroot "$ROOT" groupadd --force robots
chroot "$ROOT" usermod -aG robots tensorferry
sed -i '/^#TENSORFERRY_LISTEN=.*unix:/,/^#TENSORFERRY_UNIX_GROUP/s/^#//; s/127.0.0.1:8001,unix:/unix:/' "$ROOT/etc/default/tensorferry-server"
echo TENSORFERRY_ADMIN_LISTEN=off >>"$ROOT/etc/default/tensorferry-server"

say "Starting systemd in it"
systemd-nspawn --quiet --register=no --keep-unit --boot --directory "$ROOT" </dev/null >"$LOG" 2>&1 &
machine=$!
await 60 is_booted_or_ended || true
is_booted || {
  say "systemd does not start here, so that the service was not tried under its unit: $LOG"
  exit 0
}
await 60 is_serving || fail "the service does not serve"
echo "    $(booted systemctl show --property StatusText --property TimeoutStartUSec --property WatchdogUSec tensorferry-server | tr '\n' ' ')"

say "Converting an array over $SOCKET, of a member of its group"
convert robots || fail "the array did not convert"
if convert nogroup 2>/dev/null; then fail "who is not in the group may call all the same"; fi

say "Installing the package again, while the service runs"
before=$(property MainPID)
booted dpkg --install "packages/$(cd "$ROOT/packages" && echo tensorferry-server_*.deb)" >>"$LOG" 2>&1 || fail "dpkg could not install it"
[ "$(property MainPID)" != "$before" ] && is_serving || fail "the service was not started anew"
convert robots || fail "the array did not convert"

say "Removing the package, while the service runs"
booted dpkg --remove tensorferry-server >>"$LOG" 2>&1 || fail "dpkg could not remove it"
[ "$(property ActiveState)" = inactive ] || fail "the service still runs"
