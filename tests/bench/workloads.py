"""What is measured, of whom and where."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1 << 10, 1 << 20

TCP, UNIX, SPLIT = "same/tcp", "same/unix", "split/tcp"  # Server and client on one core, or on one each.
PLACES = (TCP, UNIX, SPLIT, "split/unix")


@dataclass(frozen=True)
class Contender:
    server: str | None  # None: nothing is served.
    program: str = "bench"  # Who makes the load: bench (the `tensorferry` command), raw, memcpy or flight.
    options: tuple[str, ...] = ()  # Of bench.
    mode: str | None = None  # Of bench, instead of the workload's.


# In the order of the tables.
CONTENDERS = {
    "memcpy": Contender(None, "memcpy"),
    "raw-socket": Contender("raw", "raw"),
    "limit": Contender("limit"),
    "limit-tuned": Contender("limit-tuned"),
    "tensorferry": Contender("tensorferry"),
    "tensorferry-digest": Contender("tensorferry", options=("--digest",)),
    "tensorferry-swap": Contender("tensorferry", options=("--dtype", ">f4")),
    "tensorferry-unary": Contender("tensorferry", mode="unary"),
    "sync": Contender("sync"),
    "sync-tuned": Contender("sync-tuned"),
    "callback": Contender("callback"),
    "callback-tuned": Contender("callback-tuned"),
    "python": Contender("python"),
    "flight": Contender("flight", "flight"),
}

LIMITS = ("tensorferry", "limit", "limit-tuned")
CODED = (*LIMITS, "sync", "callback")
SOCKET = (*CODED, "raw-socket")
TUNED = ("sync-tuned", "callback-tuned")


@dataclass(frozen=True)
class Workload:
    key: str  # Of the plan: W1 …
    nbytes: int
    contenders: tuple[str, ...]
    places: tuple[str, ...] = (TCP,)
    mode: str = "unary"
    outstanding: int = 1

    @property
    def name(self) -> str:
        deep = f", {self.outstanding} outstanding" if self.outstanding > 1 else ""
        return f"{self.key} {self.mode} {size_name(self.nbytes)}{deep}"


def size_name(nbytes: int) -> str:
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if nbytes >= unit:
            return f"{nbytes // unit} {name}"
    return f"{nbytes} B"


def option_of(nbytes: int) -> str:
    """As `tensorferry bench --size` reads it."""
    return size_name(nbytes).replace(" ", "")


WORKLOADS = (
    Workload("W1", 64, (*SOCKET, "python"), (TCP,)),
    Workload("W1", 64, SOCKET, (UNIX, SPLIT)),
    Workload("W1", KIB, LIMITS),
    Workload("W1", 4 * KIB, SOCKET),
    Workload("W1", 64, (*CODED, *TUNED, "python"), outstanding=32),
    Workload("W1", 64, CODED, (UNIX,), outstanding=32),
    Workload("W2", 64 * KIB, (*SOCKET, "memcpy"), (TCP, UNIX)),
    Workload("W3", MIB, (*SOCKET, *TUNED, "memcpy", "python"), (TCP,)),
    Workload("W3", MIB, (*SOCKET, "memcpy"), (UNIX, SPLIT)),
    Workload("W3", 4 * MIB, (*LIMITS, "sync", "raw-socket", "memcpy")),
    Workload(
        "W3",
        16 * MIB,
        (*SOCKET, *TUNED, "memcpy", "python", "tensorferry-digest", "tensorferry-swap"),
        (TCP,),
    ),
    Workload("W3", 16 * MIB, (*SOCKET, "memcpy"), (UNIX, SPLIT)),
    Workload("W4", 16 * MIB, (*LIMITS, "raw-socket", "memcpy"), mode="chunks"),
    Workload("W4", 64 * MIB, (*LIMITS, "raw-socket", "memcpy"), (TCP, UNIX), mode="chunks"),
    Workload("W4", 256 * MIB, (*LIMITS, "memcpy"), mode="chunks"),
    Workload("W5", 64, (*CODED, "flight", "tensorferry-unary"), (TCP, UNIX), mode="stream", outstanding=32),
    Workload("W5", 4 * KIB, (*CODED, "flight", "tensorferry-unary"), mode="stream", outstanding=32),
    Workload("W5", 64, (*LIMITS, "flight"), mode="stream"),
    Workload("W5", MIB, (*LIMITS, "flight"), mode="stream"),
    Workload("W5", 16 * MIB, (*LIMITS, "flight"), mode="stream"),
)
