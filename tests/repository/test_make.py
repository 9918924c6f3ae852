"""What `make demo` runs: it is everybody's first command, and must neither build nor install what it does not need."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from repository import ROOT, text

BUILD = ROOT / "build/release"


def commands_of(target: str) -> list[str]:
    """The command lines that `make` would run."""
    dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    return dry.stdout.splitlines()


def targets_of_the_demo() -> list[str]:
    (build,) = [line for line in commands_of("demo") if "scripts/build.sh" in line]
    found = re.fullmatch(r"TESTS=OFF UNITY=ON scripts/build\.sh \S+ \d+ (.+)", build)
    assert found is not None, build
    return found[1].split()


def test_the_demo_builds_the_programs_alone() -> None:
    targets = targets_of_the_demo()
    assert sorted(targets) == ["tensorferry", "tensorferry-server"]
    if not (BUILD / "build.ninja").exists():
        pytest.skip("build/release is not configured, so ninja cannot say what the targets need")
    ninja = ["ninja", "-C", str(BUILD), "-t", "commands", *targets]
    compiled = subprocess.run(ninja, capture_output=True, text=True, check=True).stdout
    sources = set(re.findall(rf" -c {ROOT}/(\S+)", compiled))
    for unit in [source for source in sources if "/Unity/" in source]:  # Several files that are compiled as one.
        sources |= set(re.findall(rf'#include "{ROOT}/(\S+)"', text(unit)))
    assert "server/main.cc" in sources
    assert not [source for source in sources if source.startswith("tests/")]


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """A checkout on a machine that has nothing installed; its programs write their arguments into the file `ran`."""
    for path in ("scripts", "tests/requirements.txt", "tests/integration/node", "client/python/pyproject.toml"):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / path, target) if (ROOT / path).is_dir() else shutil.copy(ROOT / path, target)
    record = f'#!/bin/sh\necho "$(basename "$0") $*" >>{tmp_path}/ran\n'
    programs = {"dpkg-query": "exit 1", "curl": "exit 1", "apt-get": "", "sudo": "", "npm": ""}
    for name, end in programs.items():
        add_program(tmp_path / "bin" / name, record + end)
    for name in ("python", "pip"):
        add_program(tmp_path / ".venv/bin" / name, record)
    add_program(tmp_path / "tests/integration/oip/environments.sh", record)
    return tmp_path


def add_program(file: Path, script: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def installed_by(command: str, machine: Path) -> set[str]:
    """The packages that `setup.sh` installs there, Debian's and Python's."""
    path = f"{machine / 'bin'}:{os.environ['PATH']}"
    setup = [machine / "scripts/setup.sh", command]
    subprocess.run(setup, env={**os.environ, "PATH": path}, capture_output=True, check=True)
    lines = (machine / "ran").read_text().splitlines()
    return {
        word for line in lines if re.match(r"(sudo |env )?.*(apt-get|pip) .*install", line) for word in line.split()
    }


def test_the_demo_installs_what_it_needs(bare_machine: Path) -> None:
    installed = installed_by("demo", bare_machine)
    assert {"cmake", "ninja-build", "libgrpc++-dev", "client/python"} <= installed
    for only_tests_need in ("libgtest-dev", "libgmock-dev", "valgrind", "clang-format-14", "tests/requirements.txt"):
        assert only_tests_need not in installed


def test_what_compiles_the_tests_installs_googletest(bare_machine: Path) -> None:
    (setup,) = [line for line in commands_of("setup") if "scripts/setup.sh" in line]
    installed = installed_by(setup.split()[-1], bare_machine)
    assert {"libgtest-dev", "libgmock-dev", "tests/requirements.txt"} <= installed


@pytest.mark.parametrize("command", ["build", "test", "bench"])
@pytest.mark.parametrize("has_headers", [True, False])
def test_what_builds_the_clients_core_installs_pythons_headers(
    command: str, has_headers: bool, bare_machine: Path
) -> None:
    """Debian's Python comes without; another one brings its own."""
    add_program(bare_machine / "bin/python3", f"#!/bin/sh\nexit {0 if has_headers else 1}\n")
    assert ("python3-dev" in installed_by(command, bare_machine)) is not has_headers


def set_up(machine: Path, apt_get: str) -> subprocess.CompletedProcess[str]:
    """Runs `setup.sh demo` with an `apt-get` that does this."""
    add_program(machine / "bin/apt-get", f"#!/bin/sh\n{apt_get}\n")
    add_program(machine / "bin/sudo", '#!/bin/sh\nexec "$@"\n')
    add_program(machine / "bin/sleep", "#!/bin/sh\n")
    environment = {**os.environ, "PATH": f"{machine / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(
        [machine / "scripts/setup.sh", "demo"], env=environment, capture_output=True, text=True, check=False
    )


def test_another_apt_get_is_waited_for(bare_machine: Path) -> None:
    locked = "echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)' >&2; exit 100"
    once = f"[ $1 != update ] || [ -e {bare_machine}/asked ] || {{ touch {bare_machine}/asked; {locked}; }}"
    ran = set_up(bare_machine, once)
    assert ran.returncode == 0, ran.stderr
    assert "Another apt-get is at work: waiting until it ends" in ran.stdout


def test_what_apt_get_says_of_the_network_is_passed_on(bare_machine: Path) -> None:
    ran = set_up(bare_machine, "echo 'E: Failed to fetch' >&2; exit 100")
    assert ran.returncode == 1
    assert ran.stderr == "E: Failed to fetch\nsetup: apt-get update failed: is the network reachable?\n"


def test_without_root_and_sudo_nothing_is_said_of_the_network(bare_machine: Path) -> None:
    programs = bare_machine / "bin"
    (programs / "sudo").unlink()
    add_program(programs / "id", "#!/bin/sh\necho 1000\n")
    for name in ("bash", "dirname", "grep"):
        (programs / name).symlink_to(shutil.which(name) or name)
    setup = [programs / "bash", bare_machine / "scripts/setup.sh", "demo"]
    ran = subprocess.run(setup, env={"PATH": str(programs)}, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "setup: root is needed to run 'apt-get update': run as root, or install sudo\n"


def fake_cmake(machine: Path) -> Path:
    """A `cmake` that records its arguments, configures a folder and builds three steps."""
    add_program(
        machine / "bin/cmake",
        f"""#!/bin/sh
echo "cmake $*" >>{machine}/ran
if [ "$1" = --preset ]; then mkdir -p build/$2 && touch build/$2/build.ninja; exit; fi
for step in $(seq 40); do echo "[$step/40] Building CXX object"; done
""",
    )
    return machine


def build(machine: Path, *words: str, tests: str = "ON") -> str:
    environment = {**os.environ, "PATH": f"{machine / 'bin'}:{os.environ['PATH']}", "TESTS": tests}
    command = [machine / "scripts/build.sh", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_tests_are_added_by_the_first_build_that_wants_them(bare_machine: Path) -> None:
    machine = fake_cmake(bare_machine)
    build(machine, "release", "2", "tensorferry", tests="OFF")
    build(machine, "release", "2", "tensorferry", tests="OFF")
    build(machine, "release", "2")
    build(machine, "release", "2")
    ran = (machine / "ran").read_text().splitlines()
    assert [line for line in ran if "--preset" in line] == [
        "cmake --preset release -DTENSORFERRY_TESTS=OFF",
        "cmake --preset release -DTENSORFERRY_TESTS=ON",
    ]
    assert len([line for line in ran if "--build" in line]) == 4


def test_the_build_goes_on_beside_an_installation_that_fails(bare_machine: Path) -> None:
    """Its words come last, where a reader looks for them."""
    machine = fake_cmake(bare_machine)
    add_program(machine / "bin/npm", "#!/bin/sh\nexit 1\n")
    environment = {**os.environ, "PATH": f"{machine / 'bin'}:{os.environ['PATH']}"}
    made = subprocess.run(
        [machine / "scripts/ready.sh", "2"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert made.returncode == 1
    assert made.stdout.splitlines()[-1] == "setup: npm could not install the packages of tests/integration/node"
    assert "[40/40] Building CXX object" in made.stdout
    ran = (machine / "ran").read_text().splitlines()
    assert "cmake --build build/release --parallel 2 --target tested_programs" in ran


def run_tests(machine: Path, lint: str) -> subprocess.CompletedProcess[str]:
    """Runs `test.sh` with programs that do nothing, where lint.sh is `lint`."""
    record = f'#!/bin/sh\necho "$(basename "$0") $*" >>{machine}/ran\n'
    passes = record + "echo '[  PASSED  ] 1 test.'\n"
    add_program(machine / "build/release/bin/allocation_test", passes)
    add_program(machine / "build/release/bin/command_test", passes)
    add_program(machine / "made/rpc_test", passes)
    add_program(machine / "scripts/build.sh", record + "mkdir -p build/asan/bin && cp made/* build/asan/bin/\n")
    add_program(machine / "scripts/core.sh", record)
    add_program(machine / "scripts/lint.sh", record + lint)
    (machine / "client/python/tests").mkdir()
    return subprocess.run([machine / "scripts/test.sh", "2"], capture_output=True, text=True, check=False)


def test_what_runs_beside_the_tests_comes_before_the_unit_tests(bare_machine: Path) -> None:
    tested = run_tests(bare_machine, "echo no findings")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert tested.stdout.index("real models") < tested.stdout.index("no findings") < tested.stdout.index("rpc_test: ")
    ran = (bare_machine / "ran").read_text().splitlines()
    assert ran.index("build.sh asan 2 unit_tests") < ran.index("lint.sh 2")
    assert ran[-1] == "rpc_test --gtest_brief=1"


def test_what_fails_beside_the_tests_is_told_last(bare_machine: Path) -> None:
    tested = run_tests(bare_machine, "echo a finding\nexit 1")
    assert tested.returncode == 1
    assert tested.stdout.splitlines()[-1] == "a finding"
    assert "rpc_test" not in tested.stdout


def test_a_build_shows_that_it_lives(bare_machine: Path) -> None:
    printed = build(fake_cmake(bare_machine), "release", "2")
    assert re.findall(r"^\[\d+/\d+\]", printed, re.MULTILINE) == ["[20/40]", "[40/40]"]


def test_the_first_build_says_how_long_it_takes() -> None:
    """The same times as in the documentation."""
    (expected,) = re.findall(r"The first time: (.+ of disk)", "\n".join(commands_of("demo")))
    minutes, disk = re.findall(r"\d+ to \d+(?= minutes)|[\d.]+ GB", expected)
    assert f"the first time {minutes} minutes on 2 cores, and {disk} of disk" in text("docs/building.md")
