"""Which CUDA driver programs find: a stand-in for it, since there may be no GPU, or the real one."""

from __future__ import annotations

import os

from harness import SERVER

STAND_IN = {"LD_LIBRARY_PATH": str(SERVER.with_name("cuda-stand-in"))}

DRIVER: dict[str, str] = {} if os.environ.get("TENSORFERRY_GPU") == "real" else STAND_IN
