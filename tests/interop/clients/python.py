"""One python-socketio client (asyncio), driven by JSON lines.

Reads orders `{"id", "do", ...}` on standard input and answers each with `{"id", "ok"}` or `{"id", "error"}`; events and
disconnects are told as `{"event", "namespace", "values"}`. Bytes travel as `{"$bytes": base64}`. The certificate
authority comes by SSL_CERT_FILE, which Python honours by itself.
"""

import asyncio
import base64
import json
import sys

import aiohttp
import engineio
import socketio

# The client gives up on a poll of more than 16 packets, which any server may send.
engineio.payload.Payload.max_decode_packets = 1000


class Client:
    async def connect(self, url, path="socket.io", transports=None, headers=None, always=None, auth=None, namespaces=("/",)):
        """`headers` are those of `connect()`: the client sends them with the handshake and the upgrade, and with no poll.
        `always` are sent with every request."""
        session = aiohttp.ClientSession(headers=always) if always else None
        self.sio = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.5, http_session=session)
        for namespace in namespaces:
            self.listen(namespace)
        asked = {"headers": headers or {}, "auth": auth, "transports": transports, "namespaces": list(namespaces)}
        await self.sio.connect(url, socketio_path=path, **asked, wait_timeout=10)
        return {"transport": self.sio.transport()}

    def listen(self, namespace):
        async def heard(event, *values):
            tell({"event": event, "namespace": namespace, "values": values})

        async def disconnected(reason):
            tell({"event": "disconnect", "namespace": namespace, "values": [reason]})

        async def refused(why):
            tell({"event": "connect_error", "namespace": namespace, "values": [why]})

        self.sio.on("*", heard, namespace=namespace)
        self.sio.on("disconnect", disconnected, namespace=namespace)
        self.sio.on("connect_error", refused, namespace=namespace)

    async def call(self, event, values=(), namespace="/"):
        return await self.sio.call(event, tuple(values), namespace=namespace, timeout=20)

    async def transport(self):
        return self.sio.transport()

    async def disconnect(self):
        # The client sends no good bye when it is told to leave while a POST is under way.
        await self.sio.eio.queue.join()
        await self.sio.disconnect()


async def main():
    reader = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    client = Client()
    while line := await reader.readline():
        order = json.loads(line, object_hook=to_bytes)
        number, verb = order.pop("id"), order.pop("do")
        try:
            tell({"id": number, "ok": await getattr(client, verb)(**order)})
        except Exception as error:
            tell({"id": number, "error": f"{type(error).__name__}: {error}"})


def tell(record):
    print(json.dumps(record, default=from_bytes), flush=True)


def to_bytes(value):
    return base64.b64decode(value["$bytes"]) if "$bytes" in value else value


def from_bytes(value):
    return {"$bytes": base64.b64encode(value).decode()}


asyncio.run(main())
