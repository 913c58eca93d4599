"""Vectors, and three nodes that run."""

import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tumar import Client, ClientConfig, TumarError

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
        until = time.monotonic() + 60
        while True:
            try:
                Client.open(folder / "client" / "client.toml").close()
                break
            except TumarError:
                assert time.monotonic() < until, (folder / "a.log").read_text()[-2000:]
                assert all(node.poll() is None for node in running), "a node has ended"
                time.sleep(0.1)
        yield folder
    finally:
        for node in running:
            node.terminate()
        for node in running:
            node.wait(30)
