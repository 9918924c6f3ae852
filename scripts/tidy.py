"""tidy.py JOBS: runs clang-tidy over server/ and client/, with the flags that the release build uses.

The files of a room go through it together, as one unit that includes them all: most of the time goes into the headers
of others, which are then read once for each room. So names in the anonymous namespaces of a room must differ.

Of the programs of `make bench` that use our own code, and that `make test` does not build, it looks only whether they
compile.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/release"
UNITS = ROOT / "build/lint"
TIDY = ROOT / ".venv/bin/clang-tidy"
BENCH = "tests/bench/limits"


def flags_of(command: str) -> list[str]:
    """What clang needs of a command of g++'s: all before `-c`, but for the output and what it does not know."""
    words = shlex.split(command)
    words = words[1 : words.index("-c")]
    unknown = {"-o", "-Wno-restrict", "-Wno-subobject-linkage", "-fno-reorder-blocks-and-partition"}
    return [word for word in words if word not in unknown and not word.endswith((".o", "ccache", "/c++", "/g++"))]


def commands() -> list[dict[str, str]]:
    """The command that compiles each file of ours, also where CMake compiles several files as one."""
    found = []
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        unit = Path(entry["file"])
        if unit.parent.name == "Unity":
            files = re.findall(r'^#include "(.+)"$', unit.read_text(), re.MULTILINE)
            found += [{"file": file, "command": entry["command"]} for file in files]
        else:
            found.append(entry)
    return found


def rooms() -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for entry in sorted(commands(), key=lambda each: each["file"]):  # What is found depends on the order.
        file = Path(os.path.relpath(entry["file"], ROOT))
        is_program = file.parent.name == "examples" or str(file).startswith(BENCH)  # Each of them has a `main`.
        room = str(file.with_suffix("") if is_program else file.parent)
        if room.startswith(("server", "client", BENCH)):
            found[room].append(entry)
    return found


def tidy(room: str, entries: list[dict[str, str]]) -> tuple[str, bool, str]:
    unit = UNITS / (room.replace("/", "_") + ".cc")
    unit.write_text("".join(f'#include "{entry["file"]}"\n' for entry in entries))
    checks = ["--allow-no-checks", "--checks=-*"] if room.startswith(BENCH) else []
    command = [str(TIDY), "--quiet", f"--config-file={ROOT / '.clang-tidy'}", *checks, str(unit), "--"]
    defined = {flag for entry in entries for flag in flags_of(entry["command"]) if flag.startswith("-D")}
    # The standard library uses what it calls deprecated itself: g++ says where our code does.
    more = ["-Wthread-safety", "-Wno-deprecated-declarations"]
    flags = [*flags_of(entries[0]["command"]), *sorted(defined), *more]
    run = subprocess.run([*command, *flags], cwd=BUILD, capture_output=True, text=True, check=False)
    return room, run.returncode == 0, run.stdout


def main() -> int:
    UNITS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(int(sys.argv[1])) as pool:
        results = list(pool.map(lambda item: tidy(*item), sorted(rooms().items())))
    for room, clean, words in results:
        if not clean:
            print(f"clang-tidy: {room}\n{words}")
    failed = [room for room, clean, _ in results if not clean]
    print(f"clang-tidy: {len(results)} rooms, {len(failed)} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
