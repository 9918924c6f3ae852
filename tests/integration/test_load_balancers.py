"""nginx, HAProxy and Envoy, with the configurations of docker/load-balancers, in front of two servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import tensorferry
from harness import MIB, Server, becomes_true
from load_balancers import BALANCERS, BOTH, STAYING, balancing, two_servers, who_answer


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    with two_servers() as running:
        yield running


@pytest.fixture(scope="module", params=BALANCERS)
def client(
    request: pytest.FixtureRequest, servers: list[Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tensorferry.Client]:
    folder = tmp_path_factory.mktemp(request.param)
    with balancing(request.param, folder, servers) as balancer, tensorferry.Client(balancer.address) as connected:
        yield connected


def test_the_calls_of_one_connection_go_to_both_servers(client: tensorferry.Client) -> None:
    assert becomes_true(lambda: who_answer(client) == BOTH)


def test_a_message_of_nearly_the_limit_arrives(client: tensorferry.Client) -> None:
    receipt = client.convert(np.random.default_rng(1).integers(0, 256, 63 * MIB, np.uint8))
    assert receipt.digest_equal


def test_what_is_sent_back_is_what_was_sent(client: tensorferry.Client) -> None:
    array = np.random.default_rng(2).standard_normal((1024, 1024, 4))
    assert np.array_equal(client.infer("identity", {"x": array})["x"], array)


def test_streams_pass(client: tensorferry.Client) -> None:
    arrays = [np.full(1 + i % 1000, i) for i in range(300)]
    receipts = list(client.convert_many(arrays))
    assert [receipt.shape for receipt in receipts] == [array.shape for array in arrays]
    assert all(receipt.digest_equal for receipt in receipts)


def test_an_array_in_chunks_passes(client: tensorferry.Client) -> None:
    assert client.convert(np.random.default_rng(3).standard_normal(12 * MIB)).digest_equal


def test_a_refusal_keeps_its_details(client: tensorferry.Client) -> None:
    with pytest.raises(tensorferry.RefusedError) as refused:
        client.infer("no-such-model", {"x": np.eye(2)})
    assert (refused.value.reason, refused.value.code) == ("MODEL_NOT_FOUND", grpc.StatusCode.NOT_FOUND)


@pytest.mark.parametrize("name", BALANCERS)
def test_a_server_that_leaves_costs_no_call(name: str, tmp_path: Path) -> None:
    with (
        two_servers() as servers,
        balancing(name, tmp_path, servers) as balancer,
        tensorferry.Client(balancer.address) as client,
    ):
        assert becomes_true(lambda: who_answer(client) == BOTH)
        assert servers[0].stop() == 0
        assert who_answer(client, 40) == STAYING


@pytest.mark.parametrize("name", BALANCERS)
def test_without_any_server_a_call_is_unavailable(name: str, tmp_path: Path) -> None:
    with (
        two_servers() as servers,
        balancing(name, tmp_path, servers) as balancer,
        tensorferry.Client(balancer.address) as client,
    ):
        assert [server.stop() for server in servers] == [0, 0]
        with pytest.raises(tensorferry.TransportError) as failed:
            client.server_info()
        assert failed.value.code == grpc.StatusCode.UNAVAILABLE


def test_a_client_that_knows_all_addresses_needs_no_load_balancer() -> None:
    round_robin = [("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}')]
    with (
        two_servers() as (leaving, staying),
        tensorferry.Client(f"ipv4:{leaving.address},{staying.address}", options=round_robin) as client,
    ):
        assert becomes_true(lambda: who_answer(client) == BOTH)
        assert leaving.stop() == 0
        assert who_answer(client) == STAYING
