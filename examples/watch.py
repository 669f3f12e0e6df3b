"""Print what a screen is told: python examples/watch.py live|alerts|city. Ends with Ctrl-C."""

import asyncio
import contextlib
import json
import sys

from websockets.asyncio.client import connect


async def main(channel: str, port: str = "8700") -> None:
    async with connect(f"ws://127.0.0.1:{port}/ws/v1", max_size=None) as socket:
        await socket.send(json.dumps({"type": "subscribe", "channel": channel}))
        async for frame in socket:
            message = json.loads(frame)
            if message["type"] != "heartbeat":
                print(json.dumps(message, ensure_ascii=False)[:2000], flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:3]))
