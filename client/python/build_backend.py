"""Builds the package: with the compiled core where a compiler and gRPC's C++ library are, else without.

TENSORFERRY_CORE=pure asks for no core, and TENSORFERRY_CORE=compiled makes it an error that there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_WANTED = os.environ.get("TENSORFERRY_CORE")


def _has_tools() -> bool:
    """Whether this machine seems to have what the core is built from."""
    compiler = os.environ.get("CXX") or "c++"
    if not shutil.which(compiler.split()[0]) or not shutil.which("pkg-config"):
        return False
    return subprocess.run(["pkg-config", "--exists", "grpc++", "libxxhash"], check=False).returncode == 0


def _tries_core() -> bool:
    return _WANTED == "compiled" or (_WANTED != "pure" and _has_tools())


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    required: list[str] = build_meta.get_requires_for_build_wheel(config_settings)
    if _tries_core():
        required += ["nanobind>=2.2", "scikit-build-core>=0.10"]
        required += [tool for tool in ("cmake", "ninja") if not shutil.which(tool)]
    return required


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:
    if _tries_core():
        try:
            from scikit_build_core import build

            wheel: str = build.build_wheel(wheel_directory, config_settings)
            return wheel
        except (Exception, SystemExit) as error:  # scikit-build-core exits where CMake fails.
            if _WANTED == "compiled":
                raise
            print(
                f"tensorferry: the compiled core cannot be built, so there is none: {error}", file=sys.stderr
            )
    pure: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return pure
