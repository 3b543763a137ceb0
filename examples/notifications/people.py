"""Who is asking. Accounts with hashed passwords; who logs in gets a JWT in a cookie that scripts cannot read, and beside it a
second cookie against forged requests, whose value the page repeats in a header. Scripts bring the JWT as a Bearer token."""

import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
from werkzeug.security import check_password_hash

from settings import JWT_SECRET

ACCOUNTS = json.loads((Path(__file__).parent / "accounts.json").read_text())
HOURS = 12


@dataclass(frozen=True)
class Person:
    name: str
    roles: tuple

    @property
    def is_admin(self):
        return "admin" in self.roles


def log_in(name, password):
    """A token for who knows the password, else None."""
    account = ACCOUNTS.get(name)
    # Nobody's hash costs the same time, so that an answer does not tell which names exist.
    known = check_password_hash((account or ACCOUNTS["nobody"])["password"], password)
    if not account or not known:
        return None
    now = int(time.time())
    claims = {"sub": name, "roles": account["roles"], "iat": now, "exp": now + HOURS * 3600}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


def who(request):
    """Who sent this request or opened this socket; None when nobody is known."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token if kind.lower() == "bearer" else request.cookies.get("token", "")
    try:
        claims = jwt.decode(token, JWT_SECRET, algorithms=["HS256"], options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        return None
    return Person(claims["sub"], tuple(claims.get("roles", ())))


def give_cookies(answer, token, secure):
    """The token and the value against forgery; the page learns the latter from /api/session."""
    kept = {"max_age": HOURS * 3600, "httponly": True, "samesite": "Lax", "secure": secure}
    answer.set_cookie("token", token, **kept)
    answer.set_cookie("csrf_token", secrets.token_urlsafe(24), **kept)
    return answer


def take_cookies(answer):
    answer.delete_cookie("token")
    answer.delete_cookie("csrf_token")
    return answer
