"""What is measured, of whom and where."""

from __future__ import annotations

from dataclasses import dataclass

import certificates

KIB, MIB = 1 << 10, 1 << 20

# Server and client share one core, or have one each.
TCP, UNIX, SPLIT, SPLIT_UNIX = "same/tcp", "same/unix", "split/tcp", "split/unix"
PLACES = (TCP, UNIX, SPLIT, SPLIT_UNIX)


# A request to the models of W7 (models.py makes them) brings these rows, as limit-MODEL's arguments.
MODEL_SHAPES = {"mlp_ts": "1,256", "mlp_aoti": "1,256", "cnn_ts": "1,3,224,224", "cnn_aoti": "1,3,224,224"}


@dataclass(frozen=True)
class Contender:
    server: str | None  # None: nothing is served.
    program: str = "bench"  # Who makes the load: bench (the `tensorferry` command), raw, memcpy or flight.
    options: tuple[str, ...] = ()  # More options for bench.
    mode: str | None = None  # The mode of bench, instead of the workload's.
    model: str = "{}"  # Which model it runs, where the workload names one.
    form: str = ""  # A form of messages.py, which message_load sends.
    nbytes: int = 0  # Instead of the workload's.


TLS = ("--ca", str(certificates.CERTIFICATE))  # Options of bench.

# The tables show the contenders in this order.
CONTENDERS = {
    "memcpy": Contender(None, "memcpy"),
    "raw-socket": Contender("raw", "raw"),
    "limit": Contender("limit"),
    "limit-tuned": Contender("limit-tuned"),
    "tensorferry": Contender("tensorferry"),
    "tensorferry-digest": Contender("tensorferry", options=("--digest",)),
    "tensorferry-swap": Contender("tensorferry", options=("--dtype", ">f4")),
    "tensorferry-unary": Contender("tensorferry", mode="unary"),
    "tensorferry-native": Contender("tensorferry", "message", form="native"),
    "tensorferry-oip": Contender("tensorferry", "message", form="oip"),
    "tensorferry-shared": Contender("tensorferry", "message", form="shared"),
    "tensorferry-shared-4KiB": Contender("tensorferry", "message", form="shared", nbytes=4 * KIB),
    "tensorferry-shared-both": Contender("tensorferry", "message", form="shared-both"),
    "tensorferry-unbatched": Contender("tensorferry", model="{}_unbatched"),
    **{f"limit-{name}": Contender(f"limit-{name}", model="") for name in MODEL_SHAPES},
    "limit-tls": Contender("limit-tls", options=TLS),
    "limit-tuned-tls": Contender("limit-tuned-tls", options=TLS),
    "tensorferry-tls": Contender("tensorferry-tls", options=TLS),
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
FORMS = ("tensorferry-native", "tensorferry-oip")
ENCRYPTED = ("tensorferry-tls", "limit-tls", "limit-tuned-tls")
SHARED = ("tensorferry-shared", "tensorferry-shared-4KiB", "tensorferry-shared-both", "memcpy")


@dataclass(frozen=True)
class Workload:
    key: str  # The name in the plan: W1 …
    nbytes: int
    contenders: tuple[str, ...]
    places: tuple[str, ...] = (TCP,)
    mode: str = "unary"
    outstanding: int = 1
    model: str = ""

    @property
    def name(self) -> str:
        deep = f", {self.outstanding} outstanding" if self.outstanding > 1 else ""
        what = f"{self.model} {self.mode}" if self.model else self.mode
        return f"{self.key} {what} {size_name(self.nbytes)}{deep}"


def size_name(nbytes: int) -> str:
    for unit, name in ((1024 * MIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if nbytes >= unit:
            return f"{nbytes // unit} {name}"
    return f"{nbytes} B"


def option_of(nbytes: int) -> str:
    """Writes a size as `tensorferry bench --size` reads it."""
    return size_name(nbytes).replace(" ", "")


WORKLOADS = (
    Workload("W1", 64, (*SOCKET, "python"), (TCP,)),
    Workload("W1", 64, SOCKET, (UNIX, SPLIT)),
    Workload("W1", 64, (*LIMITS, "sync"), (SPLIT_UNIX,)),
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
    Workload("W3", 16 * MIB, (*LIMITS, "sync", "memcpy"), (SPLIT_UNIX,)),
    Workload("W4", 16 * MIB, (*LIMITS, "raw-socket", "memcpy"), mode="chunks"),
    Workload("W4", 64 * MIB, (*LIMITS, "raw-socket", "memcpy"), (TCP, UNIX), mode="chunks"),
    Workload("W4", 256 * MIB, (*LIMITS, "memcpy"), mode="chunks"),
    Workload("W4", 1024 * MIB, (*LIMITS, "memcpy"), mode="chunks"),
    Workload("W5", 64, (*CODED, "flight", "tensorferry-unary"), (TCP, UNIX), mode="stream", outstanding=32),
    Workload("W5", 4 * KIB, (*CODED, "flight", "tensorferry-unary"), mode="stream", outstanding=32),
    Workload("W5", 64, (*LIMITS, "flight"), mode="stream"),
    Workload("W5", MIB, (*LIMITS, "flight"), mode="stream"),
    Workload("W5", 16 * MIB, (*LIMITS, "flight"), mode="stream"),
    *(
        Workload("W7", nbytes, ("tensorferry", f"limit-{model}", "python"), model=model)
        for model, nbytes in (("mlp_ts", KIB), ("mlp_aoti", KIB), ("cnn_ts", 588 * KIB), ("cnn_aoti", 588 * KIB))
    ),
    *(
        Workload("W8", 64, ("tensorferry", "tensorferry-unbatched", "python"), model="calls_ts", outstanding=n)
        for n in (1, 16)
    ),
    Workload("W8", 64, ("tensorferry", "tensorferry-unbatched"), mode="stream", model="calls_ts", outstanding=32),
    *(Workload("W11", nbytes, FORMS) for nbytes in (64, 4 * KIB, 64 * KIB, MIB, 16 * MIB)),
    Workload("W11", 64, FORMS, outstanding=32),
    *(Workload("W12", nbytes, SHARED) for nbytes in (64 * KIB, MIB, 16 * MIB, 256 * MIB)),
    *(
        Workload("W13", nbytes, ENCRYPTED, mode=mode)
        for nbytes, mode in ((64, "unary"), (MIB, "unary"), (16 * MIB, "unary"), (16 * MIB, "chunks"))
    ),
)
