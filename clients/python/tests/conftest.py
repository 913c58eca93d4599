"""Vectors, and three nodes that run."""

import json
import os
import random
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tumar import ClientConfig

REPOSITORY = Path(__file__).resolve().parents[3]
VECTORS = REPOSITORY / "vectors"


def vectors(name: str) -> Any:
    """A file of conformance vectors."""
    return json.loads((VECTORS / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def config() -> ClientConfig:
    """The client of the vectors."""
    return ClientConfig.read(VECTORS / "client" / "client.toml")


def free_base() -> int:
    """A port from which on all that `tumar init` uses are free at this moment."""
    while True:
        base = random.randrange(20_000, 50_000)
        try:
            for port in (base + step + party for step in (0, 100, 200) for party in range(3)):
                with socket.socket() as taken:
                    taken.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base


def wait_for(config: ClientConfig) -> None:
    """Until the leader's health says that all three nodes are linked."""
    credentials = grpc.ssl_channel_credentials(config.certificate)
    with grpc.secure_channel(config.address, credentials, [("grpc.ssl_target_name_override", config.server_name)]) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
        watch: "grpc.UnaryStreamMultiCallable[str, bytes]" = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=lambda name: b"\n" + bytes([len(name)]) + name.encode(),
            response_deserializer=lambda raw: raw,
        )
        # The one field of the answer: SERVING.
        next(raw for raw in watch("tumar.v1.MatchingService", timeout=60) if raw == b"\x08\x01")


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of `tumar init`, of which three nodes run. The environment variable TUMAR names the binary."""
    binary = os.environ.get("TUMAR")
    assert binary, "these tests need TUMAR=/path/to/a/built/tumar"
    folder = tmp_path_factory.mktemp("nodes") / "try"
    subprocess.run([binary, "init", str(folder), "--base-port", str(free_base())], check=True, capture_output=True)
    running = []
    try:
        for party in "abc":
            with (folder / f"{party}.log").open("wb") as log:
                running.append(subprocess.Popen([binary, "node", "--config", str(folder / party / "node.toml")], stderr=log))
        wait_for(ClientConfig.read(folder / "client" / "client.toml"))
        yield folder
    finally:
        for node in running:
            node.terminate()
        for node in running:
            node.wait(30)
