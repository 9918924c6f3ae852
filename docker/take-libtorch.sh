#!/bin/sh
# take-libtorch.sh FROM TO: copies libtorch out of the folder where pip has installed torch, and of a torch with CUDA the
# libraries of NVIDIA that it loads, to the same paths under TO, where the programs' run path and theirs find them.
set -eu
mkdir -p "$2"
to=$(cd "$2" && pwd)
cd "$1"

nvidia=
if [ -d nvidia ]; then nvidia=nvidia; fi
# libtorch_python, and what else torch has for Python alone, stay.
find torch/lib $nvidia \( -path 'torch/lib/libc10*.so' -o -path 'torch/lib/libgomp.so.1' -o -path 'torch/lib/libtorch.so' \
  -o -path 'torch/lib/libtorch_c*.so' -o -path 'torch/lib/libtorch_nvshmem.so' -o -path 'torch/lib/libcaffe2_nvrtc.so' \
  -o -path 'nvidia/*.so*' \) -exec cp --parents --no-dereference --target-directory "$to" {} +
