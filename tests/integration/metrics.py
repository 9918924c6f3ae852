"""Scrapes the admin port, and reads what comes with the parsers of Prometheus's own Python client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from admin import ask, bearer
from harness import Server

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Labels = frozenset[tuple[str, str]]
Key = tuple[str, Labels]


def text_of(server: Server, accept: str | None = None, token: str | None = None) -> str:
    headers = ({"Accept": accept} if accept else {}) | (bearer(token) if token else {})
    answer = ask(server, "/metrics", headers=headers)
    assert answer.status == 200, answer.body
    wanted = f"{OPENMETRICS}; charset=utf-8" if accept == OPENMETRICS else "text/plain; version=0.0.4; charset=utf-8"
    assert answer.fields["Content-Type"] == wanted
    return answer.body.decode()


def families_of(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def openmetrics_of(text: str) -> list[Metric]:
    return list(openmetrics_parser.text_string_to_metric_families(text))


@dataclass(frozen=True)
class Scrape:
    """The samples of one scrape, by name and labels."""

    samples: dict[Key, float]

    @staticmethod
    def of(families: Iterable[Metric]) -> Scrape:
        samples: dict[Key, float] = {}
        for family in families:
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in samples, f"{key} comes twice"
                samples[key] = sample.value
        return Scrape(samples)

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, frozenset(labels.items())]

    def has(self, name: str, **labels: str) -> bool:
        return (name, frozenset(labels.items())) in self.samples

    def named(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        return ((dict(labels), value) for (its, labels), value in self.samples.items() if its == name)

    def by(self, name: str, label: str) -> dict[str, float]:
        """The values that are not 0, by a label that has each value once."""
        return {labels[label]: value for labels, value in self.named(name) if value}


def scrape(server: Server, token: str | None = None) -> Scrape:
    return Scrape.of(families_of(text_of(server, token=token)))
