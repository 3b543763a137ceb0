// Rooms and who sits in them. A room belongs to whoever knows its passphrase: clients derive a fingerprint from it, the
// first to join sets it, and the others must bring the same. The passphrase itself never comes here. Who has joined gets a
// session token and shows it with everything they share.

import { createHash, randomBytes } from "node:crypto";

const DAY = { expiration: { type: "EX", value: 24 * 60 * 60 } };

export class Rooms {
  #redis;

  constructor(redis) {
    this.#redis = redis;
  }

  /** A session token for `member`, or nothing when the fingerprint is not the room's. */
  async join(room, fingerprint, member) {
    const sealed = hash(`${room}:${fingerprint}`);
    const key = `room:${hash(room)}`;
    await this.#redis.set(key, sealed, { ...DAY, condition: "NX" });
    if ((await this.#redis.get(key)) !== sealed) return undefined;
    const session = randomBytes(24).toString("base64url");
    await this.#redis.set(`seat:${hash(session)}`, JSON.stringify({ room, member }), DAY);
    return session;
  }

  /** `{ room, member }` of a session token, or nothing. */
  async seat(session) {
    const found = await this.#redis.get(`seat:${hash(session)}`);
    return found ? JSON.parse(found) : undefined;
  }
}

/** What is compared and stored are hashes: how far two of them agree tells nobody anything. */
function hash(text) {
  return createHash("sha256").update(text).digest("hex");
}
