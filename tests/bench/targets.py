"""What tensorferry wants to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import scenarios
from ratios import Interval, Results
from slices import Slice
from workloads import KIB, MIB, SPLIT, SPLIT_UNIX, TCP, UNIX, Workload

OURS = "tensorferry"


@dataclass(frozen=True)
class Target:
    text: str
    place: str
    bound: float
    at_most: bool
    measured: Callable[[Results], Interval | None]

    @property
    def wanted(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"

    def verdict(self, interval: Interval) -> str:
        """None while the interval holds the bound, or from disturbed slices."""
        if interval.disturbed:
            return "disturbed"
        if interval.low <= self.bound <= interval.high:
            return "open"
        return "met" if (interval.median < self.bound) == self.at_most else "not met"


def rate(s: Slice) -> float:
    return s.rate


def time(s: Slice) -> float:
    return s.time_us


def cpu(s: Slice) -> float:
    return s.cpu_us or 0.0


def p50(s: Slice) -> float:
    return s.p50_us


def p99(s: Slice) -> float:
    return s.p99_us


def mib(s: Slice) -> float:
    return s.mib


def _name(key: str, nbytes: int, mode: str = "unary", outstanding: int = 1) -> str:
    return Workload(key, nbytes, (), mode=mode, outstanding=outstanding).name


def _beside_limit(
    place: str, workload: str, what: str, bound: float, measure: Callable[[Slice], float], at_most: bool = False
) -> Target:
    def measured(results: Results) -> Interval | None:
        limit = results.limit(place, workload)
        return results.ratio(place, workload, OURS, limit, measure) if limit else None

    return Target(f"{workload}: {what} ÷ limit's", place, bound, at_most, measured)


def _sink_and_copy(place: str, workload: str) -> Target:
    """(time of the empty server + time of the copy) ÷ our time."""

    def measured(results: Results) -> Interval | None:
        limit = results.limit(place, workload)
        if limit is None:
            return None
        return results.combine(
            place, workload, (limit, "memcpy", OURS), lambda a, b, c: (a.time_us + b.time_us) / c.time_us
        )

    return Target(f"{workload}: (limit's time + memcpy's) ÷ ours", place, 0.90, False, measured)


def _against(place: str, workload: str, base: str, bound: float) -> Target:
    return Target(
        f"{workload}: requests/s ÷ {base}'s", place, bound, False, lambda r: r.ratio(place, workload, OURS, base, rate)
    )


def _extra(option: str, bound: float) -> Target:
    workload = _name("W3", 16 * MIB)
    return Target(
        f"{workload}: time with {option} ÷ time without",
        TCP,
        bound,
        True,
        lambda r: r.ratio(TCP, workload, f"{OURS}-{option}", OURS, lambda s: s.time_us),
    )


def _beside_model_limit(model: str, nbytes: int) -> Target:
    """Beside an empty call in whose process the model runs on a tensor that is there already."""
    workload = Workload("W7", nbytes, (), model=model).name
    return Target(
        f"{workload}: time ÷ (empty call + in-process run)'s",
        TCP,
        1.05,
        True,
        lambda r: r.ratio(TCP, workload, OURS, f"limit-{model}", p50),
    )


def _models() -> list[Target]:
    sizes = {"mlp_ts": KIB, "mlp_aoti": KIB, "cnn_ts": 588 * KIB, "cnn_aoti": 588 * KIB}
    targets = [_beside_model_limit(model, nbytes) for model, nbytes in sizes.items()]
    targets += [_against(TCP, Workload("W7", nbytes, (), model=m).name, "python", 1) for m, nbytes in sizes.items()]
    one = Workload("W8", 64, (), model="calls_ts").name
    many = Workload("W8", 64, (), model="calls_ts", outstanding=16).name
    text = f"{one}: p50 with batching ÷ without"
    unbatched = f"{OURS}-unbatched"
    targets.append(Target(text, TCP, 1.02, True, lambda r: r.ratio(TCP, one, OURS, unbatched, p50)))
    targets += [_against(TCP, many, unbatched, 2.5), _against(TCP, one, "python", 1), _against(TCP, many, "python", 1)]
    for what, bound, at_most, measured in (
        ("answered ÷ offered", 0.95, False, lambda r: r.combine(SPLIT, scenarios.POISSON, (OURS,), rate)),
        ("p99 ÷ the unloaded p99", 3, True, lambda r: r.combine(SPLIT, scenarios.POISSON, (OURS,), p99)),
    ):
        targets.append(Target(f"{scenarios.POISSON}: {what}", SPLIT, bound, at_most, measured))
    return targets


def _forms() -> list[Target]:
    """The Open Inference Protocol beside our own, and elements that lie in shared memory."""
    deep = (64, 32)
    sizes = [(nbytes, 1) for nbytes in (64, 4 * KIB, 64 * KIB, MIB, 16 * MIB)]
    targets = []
    for nbytes, outstanding in (*sizes, deep):
        workload = _name("W11", nbytes, outstanding=outstanding)
        targets.append(
            Target(
                f"{workload}: time of ModelInfer ÷ Convert's",
                TCP,
                1.05,
                True,
                lambda r, workload=workload: r.ratio(TCP, workload, f"{OURS}-oip", f"{OURS}-native", time),
            )
        )
    for nbytes in (64 * KIB, MIB, 16 * MIB, 256 * MIB):
        workload, small = _name("W12", nbytes), f"{OURS}-shared-4KiB"
        targets.append(
            Target(
                f"{workload} in shared memory: p50 ÷ that of 4 KiB",
                TCP,
                1.1,
                True,
                lambda r, workload=workload, small=small: r.ratio(TCP, workload, f"{OURS}-shared", small, p50),
            )
        )
        targets.append(
            Target(
                f"{workload} in shared memory, and back into it: time ÷ (that of 4 KiB + memcpy's)",
                TCP,
                1.1,
                True,
                lambda r, workload=workload, small=small: r.combine(
                    TCP,
                    workload,
                    (f"{OURS}-shared-both", small, "memcpy"),
                    lambda a, b, c: a.time_us / (b.time_us + c.time_us),
                ),
            )
        )
    return targets


def _peak(nbytes: int) -> Target:
    workload = f"{scenarios.PEAK} {nbytes // MIB} MiB"
    return Target(f"{workload}, in MiB", TCP, 16, True, lambda r: r.combine(TCP, workload, (OURS,), mib))


def _beside_tuned_limit(workload: str) -> Target:
    text = f"{workload}: time ÷ limit-tuned's"
    return Target(text, TCP, 1.2, True, lambda r: r.ratio(TCP, workload, OURS, "limit-tuned", p50))


def _targets() -> list[Target]:
    small = [(place, _name("W1", 64)) for place in (TCP, UNIX, SPLIT, SPLIT_UNIX)]
    small += [(TCP, _name("W1", KIB)), (TCP, _name("W1", 4 * KIB))]
    targets = []
    for place, workload in small:
        targets.append(_beside_limit(place, workload, "p50", 1.08, p50, at_most=True))
        targets.append(_beside_limit(place, workload, "requests/s", 0.93, rate))
        targets.append(_beside_limit(place, workload, "server's CPU per request", 1.08, cpu, at_most=True))
    targets.append(_sink_and_copy(TCP, _name("W2", 64 * KIB)))
    large = [(place, _name("W3", nbytes)) for place in (TCP, UNIX, SPLIT) for nbytes in (MIB, 16 * MIB)]
    large += [(TCP, _name("W3", 4 * MIB)), (SPLIT_UNIX, _name("W3", 16 * MIB))]
    targets += [_sink_and_copy(place, workload) for place, workload in large]
    targets.append(_against(TCP, _name("W3", 16 * MIB), "raw-socket", 0.90))
    targets += [_sink_and_copy(TCP, _name("W4", n * MIB, "chunks")) for n in (16, 64, 256, 1024)]
    targets += [_peak(nbytes) for nbytes in scenarios.PEAK_SIZES]
    for nbytes in (64, 4 * KIB):
        workload = _name("W5", nbytes, "stream", 32)
        targets.append(_beside_limit(TCP, workload, "requests/s", 0.90, rate))
        targets.append(_against(TCP, workload, f"{OURS}-unary", 2))
    for nbytes, ahead in ((64, 1.4), (MIB, 1.3), (16 * MIB, 1.8)):
        workload = _name("W1" if nbytes == 64 else "W3", nbytes)
        targets += [_against(TCP, workload, "sync", ahead), _against(TCP, workload, "python", 4)]
    deep = _name("W1", 64, outstanding=32)
    targets += [_against(TCP, deep, "sync", 1.7), _against(UNIX, deep, "sync", 3)]
    streams = [_name("W5", nbytes, "stream") for nbytes in (64, MIB, 16 * MIB)]
    targets += [_against(TCP, workload, "flight", 1) for workload in (*streams, _name("W5", 64, "stream", 32))]
    targets += [_extra("digest", 1.15), _extra("swap", 1.25)]
    targets.append(
        Target(
            f"{scenarios.MIXED}: p99 of the small ones, mixed ÷ alone",
            SPLIT,
            3,
            True,
            lambda r: r.ratio(SPLIT, scenarios.MIXED, f"{OURS}, mixed", f"{OURS}, alone", p99),
        )
    )
    targets += [_beside_tuned_limit(workload) for workload in (scenarios.FIRST, scenarios.IDLE)]
    encrypted = _name("W13", 16 * MIB)
    targets.append(
        Target(
            f"{encrypted}, TLS: requests/s ÷ limit's with TLS",
            TCP,
            0.8,
            False,
            lambda r: r.ratio(TCP, encrypted, f"{OURS}-tls", "limit-tls", rate),
        )
    )
    targets += _models()
    targets += _forms()
    return targets


TARGETS = _targets()
