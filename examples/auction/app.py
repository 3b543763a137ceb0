"""An auction: REST under /api/, the room itself by Socket.IO under /api/socket.io/, and a cookie that says who is bidding.

Written for the office, whose pages come from one origin, and kept that way: it turns away requests of every other page,
on all its endpoints.
"""

import asyncio
import os
import secrets
from contextlib import asynccontextmanager, suppress
from http.cookies import SimpleCookie

import socketio
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from socketio.exceptions import ConnectionRefusedError

from sale import Refused, Sale

ORIGIN = os.environ.get("ORIGIN", "http://auction.internal")
TICK = float(os.environ.get("TICK", "1"))

sale = Sale()
bidders = {}  # name by cookie


@asynccontextmanager
async def lifespan(_):
    clock = asyncio.create_task(run_clock())
    yield
    clock.cancel()
    with suppress(asyncio.CancelledError):
        await clock


api = FastAPI(title="Auction", lifespan=lifespan)
# python-socketio compares the Origin of every request and WebSocket with this list by itself.
sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=[ORIGIN])
app = socketio.ASGIApp(sio, api, socketio_path="/api/socket.io")


@api.middleware("http")
async def own_pages_only(request: Request, go_on):
    """CORS keeps a page of another origin from reading an answer. This keeps it from asking."""
    if request.headers.get("origin", ORIGIN) != ORIGIN:
        return JSONResponse({"detail": "Not an accepted origin"}, status_code=403)
    return await go_on(request)


api.add_middleware(CORSMiddleware, allow_origins=[ORIGIN], allow_credentials=True, allow_headers=["content-type"])


class Login(BaseModel):
    name: str = Field(min_length=1, max_length=20)


@api.post("/api/login")
async def login(who: Login, request: Request, response: Response):
    """A real one asks for a password."""
    cookie = secrets.token_urlsafe()
    bidders[cookie] = who.name
    # `url.scheme` is what the browser speaks: uvicorn reads it from X-Forwarded-Proto.
    is_secure = request.url.scheme == "https"
    response.set_cookie("bidder", cookie, httponly=True, samesite="lax", secure=is_secure)
    print(f"{who.name} logs in from {request.client.host}, asking for {request.headers['host']}", flush=True)
    return {"name": who.name}


@api.get("/api/items")
async def items():
    return [lot.to_json() for lot in sale.lots]


@api.get("/api/items/{name}/bids")
async def bids(name: str):
    for lot in sale.lots:
        if lot.name == name:
            return lot.bids
    raise HTTPException(404, "There is no such item")


@sio.event
async def connect(sid, environ):
    cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("bidder")
    name = bidders.get(cookie.value) if cookie else None
    if name is None:
        raise ConnectionRefusedError("Log in first")
    await sio.save_session(sid, {"name": name})
    await sio.emit("sale", {"you": name, **sale.to_json()}, to=sid)


@sio.event
async def bid(sid, lot, amount):
    """Everybody is told of a good bid; the bidder learns its number, or why it does not count."""
    name = (await sio.get_session(sid))["name"]
    try:
        placed = sale.bid(name, lot, amount)
    except Refused as error:
        return {"error": str(error)}
    # Nothing is awaited since the bid got its number, so bids are told in the order of their numbers.
    await sio.emit("bid", placed)
    return {"number": placed["number"]}


async def run_clock():
    """One tick each second; a late one does not make the following late."""
    now = asyncio.get_running_loop().time
    due = now()
    while True:
        due += TICK
        await asyncio.sleep(due - now())
        for event, news in sale.tick():
            await sio.emit(event, news)


if __name__ == "__main__":
    # On loopback nobody reaches the app but through the gate, whose word about clients is believed: it passes on no client's own.
    # A poll waits for up to 25 s, which a shutdown does not.
    port = int(os.environ.get("PORT", "3001"))
    more = {"log_level": "warning", "forwarded_allow_ips": "*", "timeout_graceful_shutdown": 3}
    uvicorn.run(app, host="127.0.0.1", port=port, **more)
