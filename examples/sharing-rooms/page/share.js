// The client's side of a room, for pages and for Node: joins by passphrase, shares text and files, puts files that come in
// pieces together again and compares their hash. Give it a connected (or connecting) socket of socket.io-client.

export const CHUNK = 1024 * 1024;
/** Chunks on their way at the same time: the next is sent when one of them was answered, so that a slow line sets the pace. */
const AHEAD = 4;
const PATIENCE = 60_000;
const { subtle } = globalThis.crypto;

export class Room {
  #socket;
  #session;
  #paces = {};
  #coming = new Map();
  #heard = () => {};

  constructor(socket) {
    this.#socket = socket;
    socket.on("content", (content, bytes) => this.#content(content, bytes));
    socket.on("chunk", ({ id, index }, bytes) => this.#chunk(id, index, bytes));
  }

  /** `heard(content)` gets `{ kind: "text", from, text }` or `{ kind: "file", from, name, size, bytes, intact }`. */
  listen(heard) {
    this.#heard = heard;
  }

  /** Joins, with the passphrase made into a fingerprint here. Returns what the app says. */
  async join(room, passphrase) {
    const answer = await this.#ask("join", { room, fingerprint: await fingerprint(room, passphrase) });
    this.#session = answer.session;
    return answer;
  }

  text(text) {
    return this.#ask("content", { session: this.#session, kind: "text", text });
  }

  /** A file in one message. */
  async whole(name, bytes) {
    return this.#ask("content", await this.#announce(name, bytes, {}), binary(bytes));
  }

  /** A file in chunks; `progress(share)` is told how much of it is there, from 0 to 1. */
  async file(name, bytes, progress = () => {}) {
    const chunks = Math.ceil(bytes.length / CHUNK);
    const announced = await this.#announce(name, bytes, { chunks });
    await this.#ask("content", announced);
    let index = 0;
    let there = 0;
    const sendSome = async () => {
      while (index < chunks) {
        const mine = index++;
        const part = bytes.subarray(mine * CHUNK, (mine + 1) * CHUNK);
        await this.#ask("chunk", { session: this.#session, id: announced.id, index: mine }, binary(part));
        progress(++there / chunks);
      }
    };
    await Promise.all(Array.from({ length: AHEAD }, sendSome));
  }

  async #announce(name, bytes, more) {
    const sha256 = hex(await subtle.digest("SHA-256", bytes));
    return { session: this.#session, id: crypto.randomUUID(), kind: "file", name, size: bytes.length, sha256, ...more };
  }

  /** The answer to an event. What came too often is sent again in its time; any other refusal is thrown. */
  async #ask(event, ...values) {
    const pace = (this.#paces[event] ??= new Pace());
    for (;;) {
      await pace.turn();
      const answer = await this.#socket.timeout(PATIENCE).emitWithAck(event, ...values);
      if (!answer.error) return answer;
      const { code, message, retry_after_ms: wait } = answer.error;
      if (!wait) throw Object.assign(new Error(message), { code });
      pace.slower(wait);
    }
  }

  #content(content, bytes) {
    if (content.kind === "text") return this.#heard(content);
    if (bytes) return this.#whole(content, new Uint8Array(bytes));
    this.#coming.set(content.id, { content, bytes: new Uint8Array(content.size), left: content.chunks });
    if (content.chunks === 0) this.#chunk(content.id, 0, new Uint8Array());
  }

  #chunk(id, index, bytes) {
    const coming = this.#coming.get(id);
    if (!coming) return;
    coming.bytes.set(new Uint8Array(bytes), index * CHUNK);
    coming.left -= 1;
    if (coming.left > 0) return;
    this.#coming.delete(id);
    this.#whole(coming.content, coming.bytes);
  }

  async #whole(content, bytes) {
    const intact = hex(await subtle.digest("SHA-256", bytes)) === content.sha256;
    this.#heard({ ...content, bytes, intact });
  }
}

/** How far apart messages are sent: as they come, until one was too often; from then on as far as that refusal said. */
class Pace {
  #apart = 0;
  #next = 0;

  turn() {
    const now = performance.now();
    const at = Math.max(now, this.#next);
    this.#next = at + this.#apart;
    return new Promise((done) => (at > now ? setTimeout(done, at - now) : done()));
  }

  slower(wait) {
    this.#apart = Math.max(wait, this.#apart * 1.1);
    this.#next = Math.max(this.#next, performance.now() + wait);
  }
}

/** What the app knows a passphrase by: it cannot be turned back, and costs enough to make guessing slow. */
export async function fingerprint(room, passphrase) {
  const text = new TextEncoder();
  const key = await subtle.importKey("raw", text.encode(passphrase), "PBKDF2", false, ["deriveBits"]);
  const kind = { name: "PBKDF2", hash: "SHA-256", salt: text.encode(`sharing-rooms:${room}`), iterations: 200_000 };
  return hex(await subtle.deriveBits(kind, key, 256));
}

/** As either parser takes it: MessagePack's knows ArrayBuffers in a browser and Buffers in Node, and makes objects of the rest. */
function binary(bytes) {
  return globalThis.Buffer ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : bytes.slice().buffer;
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
