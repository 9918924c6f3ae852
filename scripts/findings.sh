#!/usr/bin/env bash
# findings.sh runs each script of findings/ and says at the end which of them still hold. It ends with 1 if one does
# not. findings/README.md says what findings are.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/torch_index.sh
shopt -s nullglob

# Torch's CPU wheels are on PyTorch's own index, which setup.sh knows, or in a place that pip was told of already.
index=$(sed -n 's/^TORCH_CPU_INDEX=//p' scripts/setup.sh)
if pytorch_answers "$index"; then
  export PIP_EXTRA_INDEX_URL="${PIP_EXTRA_INDEX_URL:+$PIP_EXTRA_INDEX_URL }$index"
fi

scripts=(findings/*.sh)
if [ ${#scripts[@]} -eq 0 ]; then
  echo "There is no finding yet: findings/ holds no script."
  exit 0
fi
changed=()
for script in "${scripts[@]}"; do
  printf '==> %s\n' "$script"
  "$script" || changed+=("$script")
done
if [ ${#changed[@]} -gt 0 ]; then
  printf 'Not as recorded, or not to be run here: %s\n' "${changed[*]}" >&2
  exit 1
fi
echo "All ${#scripts[@]} findings hold."
