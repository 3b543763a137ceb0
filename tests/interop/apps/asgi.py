"""The python-socketio app of the interop tests, under uvicorn. Same events as the Node app.

Its own origin check stays on as it comes: only the app's own origin is accepted. Options come from the environment:
PORT (0: any), NAME, HEARD=1 (keep every packet in the journal), PING_INTERVAL and PING_TIMEOUT in milliseconds. Prints `READY port`.
"""

import asyncio
import os
import socket
from collections import defaultdict

import engineio
import socketio
import uvicorn

from journal import Journal, Tally, headers, ping, url

# python-engineio silently drops a polling payload of more than 16 packets; JavaScript clients send up to 200 in one.
engineio.payload.Payload.max_decode_packets = 1000

NAME = os.environ.get("NAME", "uvicorn")
journal = Journal(NAME)
tallies = defaultdict(Tally)
sio = socketio.AsyncServer(async_mode="asgi", max_http_buffer_size=5_000_000, **ping())


def main():
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))), backlog=1024)
    app = journal.asgi(socketio.ASGIApp(sio))
    for namespace in ("/", "/chat", "/admin"):
        serve(namespace)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", backlog=1024))
    asyncio.run(run(server, listener))


async def run(server, listener):
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    print(f"READY {listener.getsockname()[1]}", flush=True)
    await serving


class Listening(engineio.async_socket.AsyncSocket):
    """A session whose packets are all kept in the journal."""

    async def receive(self, packet):
        journal.hear(packet)
        await super().receive(packet)


if os.environ.get("HEARD"):
    engineio.async_socket.AsyncSocket = Listening


def serve(namespace):
    def on(event):
        def listen(answer):
            async def handler(sid, *values):
                journal.events += 1
                return await answer(sid, *values)

            sio.on(event, handler, namespace=namespace)

        return listen

    @sio.on("connect", namespace=namespace)
    async def connect(sid, environ, auth):
        if namespace == "/":
            journal.connected()
        await sio.emit("hello", {"instance": NAME, "namespace": namespace}, to=sid, namespace=namespace)

    @sio.on("disconnect", namespace=namespace)
    async def disconnect(sid, reason):
        if namespace == "/":
            journal.disconnected()
        tallies.pop(sid, None)

    @on("echo")
    async def echo(sid, *values):
        return values

    @on("add")
    async def add(sid, left, right):
        return left + right

    @on("whoami")
    async def whoami(sid):
        environ = sio.get_environ(sid, namespace=namespace)
        return {
            "instance": NAME,
            "namespace": namespace,
            "id": sid,
            "transport": sio.transport(sid, namespace=namespace),
            "headers": headers(environ),
            "url": url(environ),
            "scheme": environ["wsgi.url_scheme"],
            "address": environ.get("REMOTE_ADDR"),
        }

    @on("join")
    async def join(sid, room):
        await sio.enter_room(sid, room, namespace=namespace)
        return True

    @on("shout")
    async def shout(sid, room, text):
        await sio.emit("shouted", {"room": room, "text": text}, room=room, namespace=namespace)
        return True

    @on("broadcast")
    async def broadcast(sid, text):
        await sio.emit("news", {"text": text}, namespace=namespace)
        return True

    @on("count")
    async def count(sid, length):
        for number in range(length):
            await sio.emit("number", number, to=sid, namespace=namespace)
        return length

    @on("kick")
    async def kick(sid):
        await sio.disconnect(sid, namespace=namespace)

    @on("up")
    async def up(sid, number):
        await sio.emit("down", (tallies[sid].take(number), number), to=sid, namespace=namespace)

    @on("tally")
    async def tally(sid):
        return vars(tallies[sid])


if __name__ == "__main__":
    main()
