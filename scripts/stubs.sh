#!/usr/bin/env bash
# stubs.sh [FOLDER]: generates the Python stubs from proto/ into FOLDER, by default where they are checked in.
# `make stubs` takes over the descriptor snapshot, too, as it has a build.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-client/python/src}

protoc -Iproto --python_out="$target" --pyi_out="$target" \
  --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" --grpc_python_out="$target" \
  tensorferry/v1/tensor_service.proto
