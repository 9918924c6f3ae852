# debian.sh is sourced by scripts that need a Debian of its own in a folder. They define `fail`.
SUITE=bookworm

# debian_sources prints where apt finds Debian's packages on this machine.
debian_sources() {
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    grep " $SUITE[^ ]* main$" | sort -u
}

# make_debian ROOT installs a minimal Debian into an empty folder, from where apt finds packages here.
make_debian() {
  local root=$1 sources mirror log
  sources=$(debian_sources) || sources=
  mirror=$(awk -v suite="$SUITE" '$3 == suite {print $2}' <<<"$sources")
  log=$(mktemp)
  debootstrap --variant=minbase "$SUITE" "$root" $mirror >"$log" 2>&1 || {
    tail "$log" >&2
    fail "debootstrap could not install Debian $SUITE; its words are above"
  }
  if [ -n "$sources" ]; then echo "$sources" >"$root/etc/apt/sources.list"; fi
  rm -f "$root"/var/cache/apt/archives/*.deb "$log"
}
