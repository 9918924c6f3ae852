"""Documents and generated files say what the code says."""

import filecmp
import re
import subprocess
from pathlib import Path

import pytest

from repository import ROOT, dtypes, metrics, reasons, text
from tensorferry._safetensors import DTYPES, SMALL_BITS


def test_errors_page_has_one_entry_for_each_reason() -> None:
    entries = re.findall(
        r"^### `(\w+)`\nCode: `(\w+)`", text("docs/errors.md").replace("\n\nCode", "\nCode"), re.MULTILINE
    )
    assert entries == reasons()
    assert len(entries) > 30


def test_operations_page_has_a_row_for_each_metric() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (counter|gauge|histogram) \| [^|]* \| (.*) \|$", text("docs/operations.md"), re.MULTILINE
    )
    assert rows == metrics()
    assert len(rows) == len(re.findall(r"\{Metric::k", text("server/metrics/metric.h"))) > 40


def test_dtypes_page_and_readme_have_a_row_for_each_dtype() -> None:
    assert len(dtypes()) == 21
    page = text("docs/dtypes.md").replace(r"\|", "|").splitlines()
    for row in dtypes():
        assert re.search(rf"\b{row['name']}\b", text("README.md"))
        line = next(line for line in page if line.startswith(f"| {row['name']} |"))
        for value in ("descr", "itemsize", "oip"):
            assert row[value] in line


def test_dtypes_page_and_python_client_have_the_dtypes_of_safetensors() -> None:
    rows = re.findall(r'\{"(\w+)", (\d+), (?:DType::k(\w+)|std::nullopt)\}', text("server/files/safetensors_dtype.h"))
    assert len(rows) == 22
    names = dict(re.findall(r'\{DType::k(\w+), "(\w+)"', text("server/payload/dtype.h")))
    page = text("docs/dtypes.md").splitlines()
    for name, bits, dtype in rows:
        if not dtype:
            assert SMALL_BITS[name] == int(bits)
            continue
        assert DTYPES[name] == names[dtype]
        line = next(line for line in page if line.startswith(f"| {names[dtype]} |"))
        assert line.endswith(f"| {name} |")
    assert len(rows) == len(DTYPES) + len(SMALL_BITS)


@pytest.mark.parametrize("example", ["client/examples/convert.py", "client/examples/convert.cc"])
def test_readme_quotes_the_examples_that_are_built(example: str) -> None:
    assert text(example).strip() in text("README.md")


@pytest.mark.parametrize("document", ["README.md", "docs/deployment.md"])
def test_the_wheels_are_installed_beside_the_torch_that_they_need(document: str) -> None:
    """PyPI's own is the one with CUDA, and Debian's Python takes packages into environments alone."""
    told = dict(re.findall(r"^(TORCH_\w+)=(\S+)$", text("scripts/setup.sh"), re.MULTILINE))
    (line,) = re.findall(r"^.*pip install (?:.*\\\n)?.*build/wheel/dist/.*$", text(document), re.MULTILINE)
    options = f"--extra-index-url {told['TORCH_CPU_INDEX']} torch=={told['TORCH_VERSION']}+cpu build/wheel/dist/*.whl"
    assert line.endswith(options)
    assert "python3 -m venv" in text(document).partition(options)[0]


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")]


def test_no_command_publishes_a_port_to_other_machines() -> None:
    """The image takes calls of everybody who reaches it."""
    published = [port for page in PAGES for port in re.findall(r"[ `]-p ([^ ]*\d:\d[^ `]*)", page.read_text())]
    assert len(published) > 4
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_the_image_is_built_with_buildkit() -> None:
    """By default Docker 20.10, which Debian 12 has, builds without it, and knows no mounts. What asks for more than the
    default needs a later one."""
    assert "RUN --mount" in text("docker/Dockerfile")
    builds = [line.strip() for page in PAGES for line in page.read_text().splitlines() if "docker build -f" in line]
    assert len(builds) > 3
    without = [line for line in builds if not line.startswith("DOCKER_BUILDKIT=1 ")]
    assert all("--build-context" in line for line in without)


def test_relative_links_lead_somewhere() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("server/*/README.md"),
    ]
    assert len(pages) > 10
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_python_stubs_are_those_of_the_proto_files(tmp_path: Path) -> None:
    subprocess.run([ROOT / "scripts/stubs.sh", tmp_path], check=True)
    checked_in = ROOT / "client/python/src/tensorferry/v1"
    generated = sorted(path.name for path in (tmp_path / "tensorferry/v1").iterdir())
    assert len(generated) == 3
    _, different, missing = filecmp.cmpfiles(tmp_path / "tensorferry/v1", checked_in, generated, shallow=False)
    assert not different and not missing, "run `make stubs`"


def test_configuration_page_has_every_setting() -> None:
    names = re.findall(r'(?:One|Many)\(\{"([a-z-]+)",', text("server/config/setting.cc"))
    assert {"listen", "memory-budget", "drain-grace"} <= set(names)
    for name in names:
        assert f"`--{name}" in text("docs/configuration.md"), name
