"""Notifications for people who are logged in: Flask-SocketIO with a namespace for users and one for admins, a page, and an API.

Everything is set by environment variables (settings.py). The app reads its own cookie and keeps its own origin check; it
knows of no proxy but for the address that one in front of it hands on.
"""

from gevent import monkey

monkey.patch_all()

import logging

from flask import Flask, jsonify, render_template, request, send_from_directory
from flask_socketio import ConnectionRefusedError, SocketIO, emit, join_room
from werkzeug.middleware.proxy_fix import ProxyFix

import people
import settings
from store import Store

log = logging.getLogger("notifications")
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = settings.MAX_HTTP_BUFFER_SIZE
socketio = SocketIO(
    app,
    async_mode="gevent",
    cors_allowed_origins=settings.CORS_ORIGINS,
    transports=settings.TRANSPORTS,
    ping_interval=settings.PING_INTERVAL,
    ping_timeout=settings.PING_TIMEOUT,
    max_http_buffer_size=settings.MAX_HTTP_BUFFER_SIZE,
)
# The address and the scheme that the proxy saw. One proxy is believed, so bind to loopback or a private network.
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)
store = Store(settings.DATABASE)
# Who is connected, by the id of the connection in its namespace.
users, admins = {}, {}


# Pages, and logging in and out.


@app.get("/")
def page():
    return render_template("index.html", live=settings.LIVE_URL)


@app.get("/socket.io.min.js")
def library():
    return send_from_directory("node_modules/socket.io-client/dist", "socket.io.min.js")


@app.post("/login")
def login():
    asked = body()
    name, password = str(asked.get("name", "")), str(asked.get("password", ""))
    token = people.log_in(name, password)
    if not token:
        log.info("somebody failed to log in from %s", request.remote_addr)
        publish("admins", "security", "Failed login", f"as {name[:40]!r}", {"address": request.remote_addr})
        return jsonify(error="Wrong name or password"), 401
    log.info("%s logged in from %s", name, request.remote_addr)
    return people.give_cookies(jsonify(name=name), token, secure=request.is_secure)


@app.post("/logout")
def logout():
    return people.take_cookies(jsonify())


# The API.


@app.get("/api/session")
def session():
    person = people.who(request)
    if not person:
        return jsonify(error="Not logged in"), 401
    # Only pages of allowed origins can read this answer, so only they can repeat the value in a header.
    return jsonify(name=person.name, roles=person.roles, csrf=request.cookies.get("csrf_token", ""))


@app.post("/api/notifications")
def make():
    person = people.who(request)
    if not person or not person.is_admin:
        return jsonify(error="Only admins make notifications"), 403 if person else 401
    asked = body()
    texts = [asked.get(name) for name in ("to", "type", "title", "message")]
    if not all(isinstance(text, str) and 0 < len(text) <= 500 for text in texts):
        return jsonify(error="to, type, title and message are texts of 1 to 500 letters"), 400
    made = publish(*texts, asked.get("data"))
    log.info("%s made notification %d for %s", person.name, made["id"], texts[0])
    return jsonify(made), 201


def body():
    """The object that was posted as JSON; an empty one when it was none."""
    asked = request.get_json(silent=True)
    return asked if isinstance(asked, dict) else {}


def publish(to, kind, title, message, data=None):
    """Keeps a notification and sends it to `everybody`, `admins` or the person of that name."""
    event = "admin:notification" if to == "admins" else "notification"
    alone = to not in ("admins", "everybody")
    made = store.add(event, to if alone else None, kind, title, message, data)
    # What is for admins goes to the whole namespace as well: the page shows it to admins only.
    socketio.emit(event, made, namespace="/user", to=f"person:{to}" if alone else None)
    return made


# The namespace of users.


@socketio.on("connect", namespace="/user")
def user_comes(auth=None):
    person = people.who(request)
    if not person:
        raise ConnectionRefusedError("Not logged in")
    users[request.sid] = person
    join_room(f"person:{person.name}")
    log.info("%s came from %s", person.name, request.remote_addr)
    tell_admins()


@socketio.on("disconnect", namespace="/user")
def user_goes(reason=None):
    person = users.pop(request.sid, None)
    if person:
        log.info("%s went: %s", person.name, reason)
        tell_admins()


@socketio.on("since", namespace="/user")
def catch_up(last):
    """Sends what came after the id `last` as it was sent then, and acknowledges after it."""
    person = users[request.sid]
    missed = store.since(last if isinstance(last, int) else 0, person.name)
    for event, notification in missed:
        emit(event, notification)
    log.info("%s caught up from %s: %d", person.name, last, len(missed))
    return True


@socketio.on("read", namespace="/user")
def mark_read(ids):
    person = users[request.sid]
    ids = [number for number in ids if isinstance(number, int)][:1000] if isinstance(ids, list) else []
    store.read(person.name, ids)
    log.info("%s has read %s", person.name, ids)
    # Their other tabs and devices mark them too.
    emit("read", ids, to=f"person:{person.name}", include_self=False)
    return True


# The namespace of admins.


@socketio.on("connect", namespace="/admin")
def admin_comes(auth=None):
    person = people.who(request)
    log.info("%s asks for /admin", person.name if person else "somebody")
    if not person or not person.is_admin:
        raise ConnectionRefusedError("Admins only")
    admins[request.sid] = person
    emit("online", online())


@socketio.on("disconnect", namespace="/admin")
def admin_goes(reason=None):
    admins.pop(request.sid, None)


def tell_admins():
    socketio.emit("online", online(), namespace="/admin")


def online():
    return sorted({person.name for person in users.values()})


if __name__ == "__main__":
    log.info("listens on http://%s:%d", settings.HOST, settings.PORT)
    try:
        socketio.run(app, host=settings.HOST, port=settings.PORT)
    except KeyboardInterrupt:
        log.info("ends")
