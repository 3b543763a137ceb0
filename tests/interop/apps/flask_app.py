"""The Flask-SocketIO app of the interop tests, in threading mode (Werkzeug) and in gevent mode. Same events as the Node app.

Its own origin check stays on as it comes: only the app's own origin is accepted. Options come from the environment:
PORT (0: any), NAME, MODE (`threading` or `gevent`), PING_INTERVAL and PING_TIMEOUT in milliseconds. Prints `READY port`.
"""

import os
from collections import defaultdict

MODE = os.environ.get("MODE", "threading")
if MODE == "gevent":
    from gevent import monkey

    monkey.patch_all()

import engineio
from flask import Flask, request
from flask_socketio import SocketIO, disconnect, emit, join_room

from journal import Journal, Tally, headers, ping, url

# python-engineio silently drops a polling payload of more than 16 packets; JavaScript clients send up to 200 in one.
engineio.payload.Payload.max_decode_packets = 1000

NAME = os.environ.get("NAME", f"flask-{MODE}")
journal = Journal(NAME)
tallies = defaultdict(Tally)
app = Flask(__name__)
# By default each event has a thread of its own, and then the app itself does not keep their order.
socketio = SocketIO(app, async_mode=MODE, async_handlers=False, max_http_buffer_size=5_000_000, **ping())


@app.get("/")
def home():
    return "the Flask app"


def main():
    for namespace in ("/", "/chat", "/admin"):
        serve(namespace)
    address = ("127.0.0.1", int(os.environ.get("PORT", "0")))
    {"threading": run_threading, "gevent": run_gevent}[MODE](address, journal.wsgi(app))


# Both do what `socketio.run` does, which cannot tell which free port the system chose.
def run_threading(address, counted):
    import logging

    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server(*address, counted, threaded=True)
    print(f"READY {server.server_port}", flush=True)
    server.serve_forever()


def run_gevent(address, counted):
    from gevent.pywsgi import WSGIServer
    from geventwebsocket.handler import WebSocketHandler

    server = WSGIServer(address, counted, handler_class=WebSocketHandler, log=None, backlog=1024)
    server.start()
    print(f"READY {server.server_port}", flush=True)
    server.serve_forever()


def serve(namespace):
    def on(event):
        def listen(answer):
            def handler(*values):
                journal.events += 1
                return answer(*values)

            socketio.on_event(event, handler, namespace=namespace)

        return listen

    @socketio.on("connect", namespace=namespace)
    def connect(auth=None):
        if namespace == "/":
            journal.connected()
        emit("hello", {"instance": NAME, "namespace": namespace})

    @socketio.on("disconnect", namespace=namespace)
    def disconnected(reason):
        if namespace == "/":
            journal.disconnected()
        tallies.pop(request.sid, None)

    @on("echo")
    def echo(*values):
        return values

    @on("add")
    def add(left, right):
        return left + right

    @on("whoami")
    def whoami():
        return {
            "instance": NAME,
            "namespace": namespace,
            "id": request.sid,
            "transport": socketio.server.transport(request.sid, namespace=namespace),
            "headers": headers(request.environ),
            "url": url(request.environ),
            "scheme": request.environ["wsgi.url_scheme"],
            "address": request.environ.get("REMOTE_ADDR"),
        }

    @on("join")
    def join(room):
        join_room(room)
        return True

    @on("shout")
    def shout(room, text):
        emit("shouted", {"room": room, "text": text}, to=room)
        return True

    @on("broadcast")
    def broadcast(text):
        emit("news", {"text": text}, broadcast=True)
        return True

    @on("count")
    def count(length):
        for number in range(length):
            emit("number", number)
        return length

    @on("kick")
    def kick():
        disconnect()

    @on("up")
    def up(number):
        emit("down", (tallies[request.sid].take(number), number))

    @on("tally")
    def tally():
        return vars(tallies[request.sid])


if __name__ == "__main__":
    main()
