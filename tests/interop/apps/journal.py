"""What reached a Python app, shown at `/stats` like the Node app does; used by every Python app here.

`/stats` is answered by the middleware itself and is not routed through the gate, so it never counts.
"""

import base64
import json
import os
from urllib.parse import unquote


class Journal:
    """Counts requests and sessions of one app. One worker process; the threads of Flask only ever add."""

    def __init__(self, name):
        self.name = name
        self.requests = 0
        self.urls = []
        self.opened = 0
        self.open = 0
        self.events = 0
        self.heard = []

    def hear(self, packet):
        """Keeps an engine packet, as a polling payload would have it."""
        if isinstance(packet.data, (bytes, bytearray)):
            self.heard.append("b" + base64.b64encode(packet.data).decode())
        else:
            self.heard.append(f"{packet.packet_type}{'' if packet.data is None else packet.data}")

    def note(self, method, path, query):
        self.requests += 1
        self.urls.append(f"{method} {path}?{query}" if query else f"{method} {path}")
        del self.urls[:-1000]

    def connected(self):
        self.opened += 1
        self.open += 1

    def disconnected(self):
        self.open -= 1

    def page(self):
        return json.dumps(vars(self)).encode()

    def wsgi(self, app):
        def judge(environ, start_response):
            if environ["PATH_INFO"] == "/stats":
                start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(self.page())))])
                return [self.page()]
            self.note(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
            return app(environ, start_response)

        return judge

    def asgi(self, app):
        async def judge(scope, receive, send):
            if scope["type"] == "http" and scope["path"] == "/stats":
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
                await send({"type": "http.response.body", "body": self.page()})
                return
            if scope["type"] != "lifespan":
                self.note(scope.get("method", "GET"), unquote(scope["path"]), scope["query_string"].decode())
            await app(scope, receive, send)

        return judge


def headers(environ):
    """The request's headers by lower-case name, as the Node app shows them."""
    named = {key[5:].replace("_", "-").lower(): text for key, text in environ.items() if key.startswith("HTTP_")}
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            named[key.replace("_", "-").lower()] = environ[key]
    return named


def url(environ):
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path


def ping():
    """The ping values that the environment asks for, as options of the server; its own when it asks for none."""
    names = {"ping_interval": "PING_INTERVAL", "ping_timeout": "PING_TIMEOUT"}
    return {option: int(os.environ[name]) / 1000 for option, name in names.items() if name in os.environ}


class Tally:
    """Numbered messages of one client: what came, whether in order, what was sent back."""

    def __init__(self):
        self.received = 0
        self.disorder = 0
        self.sent = 0

    def take(self, number):
        """Notes an `up` and returns the number its `down` carries."""
        if number != self.received:
            self.disorder += 1
        self.received += 1
        self.sent += 1
        return self.sent - 1
