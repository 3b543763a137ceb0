"""A hop as some offices have one: it carries HTTP and forbids WebSocket. For trying what clients do then.

    office_proxy.py 8081 8080     # listens on 8081, carries to 8080, both on this machine
"""

import asyncio
import re
import sys

FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def serve(client, answers, port):
    try:
        head = await client.readuntil(b"\r\n\r\n")
        if re.search(rb"\r\nupgrade: *websocket", head, re.IGNORECASE):
            answers.write(FORBIDDEN)
            print("WebSocket refused", flush=True)
            return
        server, requests = await asyncio.open_connection("127.0.0.1", port)
        # One request a connection, so that each is looked at.
        requests.write(re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE)[:-2] + b"Connection: close\r\n\r\n")
        await asyncio.gather(carry(client, requests), carry(server, answers))
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        answers.close()


async def carry(source, target):
    try:
        while part := await source.read(65536):
            target.write(part)
            await target.drain()
    finally:
        target.close()


async def main(here, there):
    server = await asyncio.start_server(lambda client, answers: serve(client, answers, there), "127.0.0.1", here)
    print(f"the office proxy listens on http://localhost:{here}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main(*map(int, sys.argv[1:3])))
    except KeyboardInterrupt:
        pass
