"""The architecture, read off the includes of every file: the walls between the rooms of rooms.py."""

import re

import pytest

from repository import ROOT, text
from rooms import LIBRARIES, ROOMS, included_room, room_of, sources, uses, wrong_includes

A_HEADER_OF = {
    "native-proto": "tensorferry/v1/tensor_service.pb.h",
    "oip-proto": "inference/grpc_service.pb.h",
    "grpc": "grpcpp/server.h",
    "protobuf": "google/protobuf/message.h",
    "openssl": "openssl/ssl.h",
    "prometheus": "prometheus/metric_family.h",
    "boost": "boost/asio/io_context.hpp",
    "torch": "caffe2/serialize/inline_container.h",
    "zlib": "zlib.h",
}


def test_every_file_includes_only_what_its_room_may() -> None:
    assert len(sources()) > 250
    wrong = {}
    for path in sources():
        file = str(path.relative_to(ROOT))
        if found := wrong_includes(file, path.read_text()):
            wrong[file] = found
    assert not wrong


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_names_only_what_it_uses(name: str) -> None:
    assert uses(name) == (ROOMS[name].includes, ROOMS[name].libraries)


def test_no_room_includes_one_below_it_in_the_table() -> None:
    above: set[str] = set()
    for name, room in ROOMS.items():
        assert room.includes <= above, name
        above.add(name)


def a_header_in(name: str) -> str | None:
    """A header of a room as others include it, if it has any."""
    headers = [str(path.relative_to(ROOT)) for path in sources() if path.suffix == ".h"]
    found = next((header for header in headers if room_of(header) == name), None)
    return found and re.sub("^(server/|client/include/|client/)", "", found)


@pytest.mark.parametrize("name", ROOMS)
def test_a_wrong_include_is_seen_in_each_room(name: str) -> None:
    file = next(str(path.relative_to(ROOT)) for path in sources() if room_of(str(path.relative_to(ROOT))) == name)
    source = (ROOT / file).read_text()
    for library in set(LIBRARIES) - ROOMS[name].libraries:
        header = A_HEADER_OF[library]
        assert wrong_includes(file, f"{source}\n#include <{header}>\n") == [header]
    for other in set(ROOMS) - ROOMS[name].includes - {name}:
        if header := a_header_in(other):
            assert included_room(header) == other
            assert wrong_includes(file, f'{source}\n#include "{header}"\n') == [header]


def asks_for_a_version(source: str) -> bool:
    """Whether the preprocessor is asked which gRPC, protobuf or abseil there is."""
    conditions = re.findall(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b(.*)$", source, re.MULTILINE)
    return any(re.search(r"GRPC|PROTOBUF|ABSL", condition) for condition in conditions)


def test_one_header_knows_the_versions_of_grpc() -> None:
    """So that the build takes Debian's gRPC and newer ones, and no file has a half that nobody compiles."""
    tests = [path for suffix in ("h", "cc") for path in (ROOT / "tests").rglob(f"*.{suffix}")]
    asking = {str(path.relative_to(ROOT)) for path in [*sources(), *tests] if asks_for_a_version(path.read_text())}
    assert asking == {"server/rpc/library_versions.h"}


def test_files_are_short() -> None:
    for folder in ("server", "client", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".h", ".cc", ".py"} and "v1" not in path.parts:
                assert len(path.read_text().splitlines()) <= 400, path


def test_architecture_page_has_the_rooms() -> None:
    row = re.compile(
        r"^\| `(?P<folder>[^`]+)` \| `(?P<target>[^`]+)` \| [^|]+ \| (?P<includes>[^|]*) \| (?P<libraries>[^|]*) \|$"
    )
    rows = [match for line in text("docs/architecture.md").splitlines() if (match := row.match(line))]
    page = {
        match["folder"]: (
            match["target"],
            set(re.findall("`([^`]+)`", match["includes"])),
            set(re.findall(r"[\w-]+", match["libraries"])),
        )
        for match in rows
    }
    assert page == {name: (room.target, room.includes, room.libraries) for name, room in ROOMS.items()}
