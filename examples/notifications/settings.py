"""What the environment says, read once at the start. A value that cannot be used is told and replaced by its default, so
that a typing error at night costs a line in the log and not the service; only the secret has no default."""

import logging
import os
import sys

log = logging.getLogger("settings")


def text(name, default=""):
    return os.environ.get(name, "").strip() or default


def number(name, default, lowest=1, highest=2**31):
    """A whole number within bounds."""
    said = text(name)
    if not said:
        return default
    if said.isdecimal() and lowest <= int(said) <= highest:
        return int(said)
    log.warning("%s: %r is no number from %d to %d; %d is used", name, said, lowest, highest, default)
    return default


def words(name, default, known):
    """A list of known words, separated by commas."""
    said = [word.strip() for word in text(name).split(",") if word.strip()]
    strangers = [word for word in said if word not in known]
    if strangers:
        log.warning("%s: %s is not known here; %s is used", name, ", ".join(strangers), ",".join(default))
    return default if strangers or not said else said


def secret(name, shortest=32):
    """A secret of at least so many bytes. The program ends without it: a guessed one would let everybody in."""
    said = text(name)
    if len(said.encode()) < shortest:
        sys.exit(f"{name} must have at least {shortest} bytes; `openssl rand -base64 32` makes one")
    return said


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stdout)
# It writes every poll, and the proxy in front has an access log.
logging.getLogger("geventwebsocket.handler").setLevel(logging.WARNING)

HOST = text("FLASK_HOST", "127.0.0.1")
PORT = number("FLASK_PORT", 5000, highest=65535)
CORS_ORIGINS = [origin for origin in text("SOCKETIO_CORS_ORIGINS").split(",") if origin] or None
TRANSPORTS = words("SOCKETIO_TRANSPORTS", ["polling", "websocket"], {"polling", "websocket"})
PING_INTERVAL = number("SOCKETIO_PING_INTERVAL", 25, highest=600)
PING_TIMEOUT = number("SOCKETIO_PING_TIMEOUT", 20, highest=600)
MAX_HTTP_BUFFER_SIZE = number("SOCKETIO_MAX_HTTP_BUFFER_SIZE", 1_000_000, lowest=1_000)
JWT_SECRET = secret("JWT_SECRET")
DATABASE = text("NOTIFICATIONS_DATABASE", "notifications.db")
# Where pages find Socket.IO and the API. Empty: where the page itself came from.
LIVE_URL = text("LIVE_URL")
