// The status board's app: Express and Socket.IO on one port. It starts, tells what it does, and ends when it is asked to.

import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { Server } from "socket.io";
import { api } from "./api.js";
import { Board } from "./board.js";
import { Inbox } from "./inbox.js";
import { dismiss, openRooms } from "./rooms.js";
import { Tokens } from "./tokens.js";
import { Users } from "./users.js";

const { PORT = "3001", FRONTEND_URL, JWT_SECRET, SERVICES = "", CHECK_EVERY_MS = "5000" } = process.env;
const LEAVE_WITHIN_MS = 10_000;

const users = new Users(fileURLToPath(new URL("users.json", import.meta.url)));
const board = new Board(SERVICES);
const app = api({ users, tokens: new Tokens(JWT_SECRET), dismiss: (id) => dismiss(io, id) });
const server = createServer(app);
// The gate answers for CORS, and takes these headers off. They are for those who run the app without it.
const io = new Server(server, { cors: { origin: FRONTEND_URL, credentials: true } });
openRooms(io, { board, inbox: new Inbox(), users });
board.watch(Number(CHECK_EVERY_MS));

// On loopback: nobody reaches the app but through the gate, which is why it may believe the gate's headers.
server.listen(Number(PORT), "127.0.0.1", () => console.log(`the app listens on 127.0.0.1:${server.address().port}`));

for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => leave(signal));

// Ends every session and waits for requests under way. Clients see a closed transport, come back by themselves and
// subscribe again.
async function leave(signal) {
  console.log(`leaving on ${signal}`);
  setTimeout(() => process.exit(1), LEAVE_WITHIN_MS).unref();
  board.stop();
  await io.close();
  console.log("left");
}
