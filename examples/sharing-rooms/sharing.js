// What a member can do: `join` a room, then share `content` (text, a file in one piece, or the announcement of a file that
// comes in pieces) and `chunk`s of it. Each is passed on to the room, on every instance, and answered: `{ ok: true }`, or
// `{ error: { code, message } }`. Whatever does not have the right form is answered so, too: a client may send anything.

import { randomBytes } from "node:crypto";

const CHUNKS = 100_000;

/** Serves sharing on `io`'s main namespace. */
export function share(io, rooms, log) {
  io.on("connection", (socket) => {
    const member = memberOf(socket);
    log("connected", { ...member, socket: socket.id });
    socket.emit("welcome", member);

    const serve = (event, handle) =>
      socket.on(event, async (...values) => {
        const answer = typeof values.at(-1) === "function" ? values.pop() : () => {};
        try {
          answer(await handle(...values));
        } catch (error) {
          const refused = error instanceof Refused;
          log("refused", { event, member: member.name, code: refused ? error.code : "failed", ...(!refused && { error: error.message }) });
          answer({ error: { code: refused ? error.code : "failed", message: refused ? error.message : "It did not work" } });
        }
      });

    // The token is looked up for each message, and counts only on a socket that has joined.
    const seat = async (session) => {
      const found = isText(session, 64) && (await rooms.seat(session));
      if (!found || !socket.rooms.has(hall(found.room))) throw new Refused("session_refused", "Join the room first");
      return found;
    };

    serve("join", async (wanted) => {
      const { room, fingerprint } = wanted ?? {};
      if (!isText(room, 64) || !/^[0-9a-f]{64}$/.test(fingerprint)) throw new Refused("malformed", "A room and a fingerprint, please");
      const session = await rooms.join(room, fingerprint, member.name);
      if (!session) throw new Refused("passphrase_refused", "That is not this room's passphrase");
      await socket.join(hall(room));
      const members = (await io.in(hall(room)).fetchSockets()).length;
      socket.to(hall(room)).emit("joined", { member: member.name });
      log("joined", { ...member, room, members });
      return { ok: true, session, members };
    });

    serve("content", async (content, bytes) => {
      const { session, ...said } = content ?? {};
      const { room } = await seat(session);
      const shown = contentOf(said, bytes);
      socket.to(hall(room)).emit("content", { ...shown, from: member.name }, ...(bytes ? [bytes] : []));
      log("content", { member: member.name, room, kind: shown.kind, bytes: bytes?.length ?? shown.text?.length ?? 0 });
      return { ok: true };
    });

    serve("chunk", async (chunk, bytes) => {
      const { session, id, index } = chunk ?? {};
      const { room } = await seat(session);
      if (!isText(id, 64) || !isCount(index, CHUNKS) || !Buffer.isBuffer(bytes)) throw new Refused("malformed", "That is no chunk");
      socket.to(hall(room)).emit("chunk", { id, index }, bytes);
      log("chunk", { member: member.name, room, index, bytes: bytes.length });
      return { ok: true };
    });

    socket.on("disconnect", (reason) => log("disconnected", { name: member.name, reason }));
  });
}

/** Who it is and where they are, as the proxy before the app says. The first address is the client's. */
function memberOf(socket) {
  const { headers, address } = socket.handshake;
  const forwarded = headers["x-forwarded-for"]?.split(",")[0].trim();
  return { name: headers["x-auth-subject"] ?? `guest-${randomBytes(3).toString("hex")}`, address: forwarded ?? address };
}

/** Socket.IO's own room of a socket is called by its id: no name that a client chooses may be one. */
function hall(room) {
  return `hall:${room}`;
}

/** Only what others shall see, each part of the right form. */
function contentOf({ id, kind, text, name, size, chunks, sha256 }, bytes) {
  if (kind === "text" && isText(text, 100_000)) return { kind, text };
  const isFile = isText(id, 64) && isText(name, 255) && isCount(size, 1e12) && /^[0-9a-f]{64}$/.test(sha256);
  const isWhole = Buffer.isBuffer(bytes) && bytes.length === size;
  if (kind === "file" && isFile && (isWhole || isCount(chunks, CHUNKS))) return { id, kind, name, size, chunks, sha256 };
  throw new Refused("malformed", "That is no content");
}

function isText(value, longest) {
  return typeof value === "string" && value !== "" && value.length <= longest;
}

function isCount(value, most) {
  return Number.isSafeInteger(value) && value >= 0 && value <= most;
}

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
