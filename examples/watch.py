"""Print what a screen is told: python examples/watch.py [--port PORT] live|alerts|city. Ends with Ctrl-C.

CITYWATCH_KEY is a key that may read: citywatch keys create NAME --all-sectors --read
"""

import argparse
import asyncio
import contextlib
import json
import os

from websockets.asyncio.client import connect


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("channel", choices=("live", "alerts", "city"))
    parser.add_argument("--port", type=int, default=8700)
    options = parser.parse_args()
    headers = {"Authorization": f"Bearer {os.environ['CITYWATCH_KEY']}"} if "CITYWATCH_KEY" in os.environ else {}
    url = f"ws://127.0.0.1:{options.port}/ws/v1"
    async with connect(url, max_size=None, additional_headers=headers) as socket:
        await socket.send(json.dumps({"type": "subscribe", "channel": options.channel}))
        async for frame in socket:
            message = json.loads(frame)
            if message["type"] != "heartbeat":
                print(json.dumps(message, ensure_ascii=False)[:2000], flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
