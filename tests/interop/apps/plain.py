"""A plain WebSocket app in Python (websockets), no Socket.IO: the same echo as `plain.mjs`.

Its own origin check stays on: no page of another origin is accepted, only what shows no Origin at all. Options come from
the environment: PORT (0: any), NAME. Prints `READY port`.
"""

import asyncio
import json
import os
from http import HTTPStatus

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

NAME = os.environ.get("NAME", "plain-python")
journal = {"name": NAME, "requests": 0, "urls": [], "opened": 0, "open": 0, "events": 0, "closes": []}


async def main():
    port = int(os.environ.get("PORT", "0"))
    async with serve(carry, "127.0.0.1", port, process_request=note, origins=[None], max_size=5_000_000) as server:
        print(f"READY {server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


async def carry(client):
    journal["opened"] += 1
    journal["open"] += 1
    try:
        async for message in client:
            journal["events"] += 1
            await obey(client, message)
    except ConnectionClosed:
        pass
    finally:
        journal["open"] -= 1
        journal["closes"].append([client.close_code, client.close_reason])


async def obey(client, message):
    order, _, rest = message.partition(" ") if isinstance(message, str) else ("", "", "")
    if order == "whoami":
        headers = {name.lower(): text for name, text in client.request.headers.raw_items()}
        await client.send(json.dumps({"instance": NAME, "headers": headers, "url": client.request.path}))
    elif order == "close" and rest:
        code, _, reason = rest.partition(" ")
        await client.close(int(code), reason)
    elif order == "close":
        # websockets cannot send a close frame without a code; 1000 is what its apps send.
        await client.close()
    else:
        await client.send(message)


def note(connection, request):
    if request.path == "/stats":
        answer = connection.respond(HTTPStatus.OK, json.dumps(journal))
        del answer.headers["Content-Type"]
        answer.headers["Content-Type"] = "application/json"
        return answer
    journal["requests"] += 1
    journal["urls"].append(f"GET {request.path}")
    return None


asyncio.run(main())
