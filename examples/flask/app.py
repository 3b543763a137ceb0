"""An ordinary Flask-SocketIO app. It knows nothing of tokens, of other origins or of TLS: the gate in front of it does.

Its own origin check stays as strict as it comes. The one thing it takes from the gate is who is asking, in a header that
only the gate can set.
"""

import os

from flask import Flask, request
from flask_socketio import SocketIO, emit

app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")
connected = set()


@socketio.on("connect")
def connect():
    connected.add(request.sid)
    emit("welcome", name())


@socketio.on("disconnect")
def disconnect():
    connected.discard(request.sid)


@socketio.on("say")
def say(text):
    emit("said", (name(), text), broadcast=True)
    return len(connected)


def name():
    return request.headers.get("X-Auth-Subject", "somebody")


if __name__ == "__main__":
    # On loopback: nobody reaches the app but through the gate.
    socketio.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "3001")), allow_unsafe_werkzeug=True)
