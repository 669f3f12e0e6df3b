"""Print what a screen is told: python examples/watch.py [--port PORT] live|alerts|city. Ends with Ctrl-C.

CITYWATCH_KEY is a key that may read: citywatch keys create NAME --all-sectors --read
CITYWATCH_CENTER_PORT is the port where --port says none.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("channel", choices=("live", "alerts", "city"))
    parser.add_argument("--port", type=int, default=os.environ.get("CITYWATCH_CENTER_PORT", "8700"))
    options = parser.parse_args()
    try:
        await watch(options.channel, options.port)
    except InvalidStatus as refused:
        sys.exit(f"Port {options.port} answered {refused.response.status_code}{why(refused.response.status_code)}.")
    except (InvalidHandshake, EOFError):
        sys.exit(f"What answers on port {options.port} is not CityWatch; say its port with --port PORT.")
    except ConnectionClosed as ended:
        if ended.rcvd is not None and ended.rcvd.code in (4401, 4403):
            sys.exit(f"The server let nobody in ({ended.rcvd.reason}){why(401)}.")
        sys.exit(f"The connection has ended ({ended}); start this again.")
    except OSError:  # refused, or no answer in time
        sys.exit(
            f"Nothing answers on 127.0.0.1:{options.port}: start CityWatch with `make demo`, "
            "or say the port that it printed with --port PORT."
        )


async def watch(channel: str, port: int) -> None:
    headers = {"Authorization": f"Bearer {os.environ['CITYWATCH_KEY']}"} if "CITYWATCH_KEY" in os.environ else {}
    async with connect(f"ws://127.0.0.1:{port}/ws/v1", max_size=None, additional_headers=headers) as socket:
        await socket.send(json.dumps({"type": "subscribe", "channel": channel}))
        async for frame in socket:
            message = json.loads(frame)
            if message["type"] != "heartbeat":
                print(json.dumps(message, ensure_ascii=False)[:2000], flush=True)
    sys.exit("The server has ended the connection; start this again.")


def why(status: int) -> str:
    if status in (401, 403):
        return ": set CITYWATCH_KEY to a key that may read (citywatch keys create NAME --all-sectors --read)"
    return ": is that CityWatch? Say its port with --port PORT"


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
