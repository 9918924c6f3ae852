# debian.sh is sourced by scripts that need a Debian of its own in a folder. They define `fail`. SUITE=sid and the like have
# them take another Debian than 12.
SUITE=${SUITE:-bookworm}

# debian_sources prints where apt finds that Debian's packages on this machine, or nothing.
debian_sources() {
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    grep " $SUITE[^ ]* main$" | sort -u
}

# debian_mirror prints the address of Debian's archive on this machine, which has every Debian, or nothing.
debian_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' |
    sort -u | head -n 1
}

# make_debian ROOT installs a minimal Debian into an empty folder, from where apt finds packages here.
make_debian() {
  local root=$1 mirror sources log
  mirror=$(debian_mirror) || mirror=
  log=$(mktemp)
  debootstrap --variant=minbase "$SUITE" "$root" $mirror >"$log" 2>&1 || {
    tail "$log" >&2
    fail "debootstrap could not install Debian $SUITE; its words are above"
  }
  rm -f "$root"/var/cache/apt/archives/*.deb "$log"
  sources=$(debian_sources) || sources=
  if [ -n "$sources" ]; then
    echo "$sources" >"$root/etc/apt/sources.list"
  else
    echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/90mirror" # A mirror may be behind sid.
  fi
}

# in_debian ROOT COMMAND... runs a command in a Debian that has the project in /source, and in /torch the folder of torch
# that TORCH_FOLDER names, if it does. Its mounts are seen by nobody else, and end with it.
in_debian() {
  mkdir -p "$1/source" "$1/torch"
  TORCH_FOLDER=${TORCH_FOLDER:-} unshare --mount sh -c 'mount -t proc proc "$1/proc" && mount --bind . "$1/source" &&
    if [ -n "$TORCH_FOLDER" ]; then mount --bind "$TORCH_FOLDER" "$1/torch"; fi &&
    exec env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive CCACHE_DIR=/var/cache/ccache \
      chroot "$@"' in_debian "$PWD/$1" "${@:2}"
}

# logged LOG WHAT COMMAND... shows what a command said only if it fails, with WHAT that means.
logged() {
  local log=$1 what=$2
  "${@:3}" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail "$what; the last lines are above, all of them in $log"
  }
}
