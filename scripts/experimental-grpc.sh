#!/bin/sh
# experimental-grpc.sh has apt take gRPC and protobuf from Debian experimental, and all else from where it takes it now. It is
# run in a Debian sid, as root.
set -eu
archive=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sed -nE 's/ (sid|unstable)$//p' | head -n 1)
if [ -z "$archive" ]; then
  echo "experimental-grpc: this is no Debian sid: apt knows no archive of one" >&2
  exit 1
fi
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive experimental main" \
  >/etc/apt/sources.list.d/experimental.list
# abseil is sid's: gRPC's package does not want that of experimental.
printf 'Package: libgrpc* libupb* libproto* protobuf-*\nPin: release a=experimental\nPin-Priority: 990\n' \
  >/etc/apt/preferences.d/grpc
