"""The examples say in a sentence what is missing; that they work is seen in test_demo.py."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from citywatch.embedded.process import free_port

ROOT = Path(__file__).resolve().parents[2]


async def said(name: str, *arguments: str, **settings: str) -> str:
    """The only line that an example prints when it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CITYWATCH_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "examples" / name), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment | settings,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1, output.decode()
    assert output.count(b"\n") == 1, output.decode()
    return output.decode()


@pytest.mark.parametrize("by_setting", [False, True])
async def test_where_nothing_listens_it_is_said_what_to_type(by_setting: bool) -> None:
    port = str(free_port())
    given = {"CITYWATCH_CENTER_PORT": port} if by_setting else {}
    line = await said("watch.py", "alerts", *([] if by_setting else ["--port", port]), **given)
    assert line.startswith(f"Nothing answers on 127.0.0.1:{port}: start CityWatch with `make demo`")
    given = {"CITYWATCH_KAFKA_BOOTSTRAP": f"127.0.0.1:{port}"} if by_setting else {}
    line = await said("publish.py", *([] if by_setting else ["--bootstrap", f"127.0.0.1:{port}"]), **given)
    assert line.startswith(f"The broker 127.0.0.1:{port} did not take it")


@pytest.fixture
async def stranger(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The port of a server that answers every connection with the same words."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(request.param)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield str(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize(
    ("stranger", "hint"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is not CityWatch; say its port with --port"),
        (b"", "is not CityWatch; say its port with --port"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "Say its port with --port"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "set CITYWATCH_KEY"),
    ],
    indirect=["stranger"],
)
async def test_another_server_or_a_missing_key_is_told(stranger: str, hint: str) -> None:
    assert hint in await said("watch.py", "city", "--port", stranger)


async def test_whoever_has_no_key_is_told_how_to_get_one() -> None:
    async def refuse(socket: ServerConnection) -> None:
        await socket.close(4401, "sign_in_required")

    async with serve(refuse, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        line = await said("watch.py", "alerts", "--port", str(port))
    assert line.startswith("The server let nobody in (sign_in_required): set CITYWATCH_KEY")
