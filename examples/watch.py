"""Print what a screen is told: python examples/watch.py [--port PORT] live|alerts|city. Ends with Ctrl-C."""

import argparse
import asyncio
import contextlib
import json

from websockets.asyncio.client import connect


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("channel", choices=("live", "alerts", "city"))
    parser.add_argument("--port", type=int, default=8700)
    options = parser.parse_args()
    async with connect(f"ws://127.0.0.1:{options.port}/ws/v1", max_size=None) as socket:
        await socket.send(json.dumps({"type": "subscribe", "channel": options.channel}))
        async for frame in socket:
            message = json.loads(frame)
            if message["type"] != "heartbeat":
                print(json.dumps(message, ensure_ascii=False)[:2000], flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
