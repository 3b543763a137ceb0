// Who may use the app at all. A login gives out an opaque token: 32 random bytes that mean nothing to anybody but this app,
// which remembers what they stand for in Redis, by their hash, so that who reads Redis cannot log in.

import { createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

const HOURS_12 = 12 * 60 * 60;
const derive = promisify(scrypt);

export class Accounts {
  #redis;
  /** `{ ana: { salt, password, roles } }`, the password derived by scrypt, both in hex. */
  #accounts = JSON.parse(readFileSync(new URL("accounts.json", import.meta.url), "utf8"));

  constructor(redis) {
    this.#redis = redis;
  }

  /** `{ token, sub, roles, exp }`, or nothing. A name that nobody has takes as long as a wrong password. */
  async login(name, password) {
    if (typeof name !== "string" || typeof password !== "string") return undefined;
    const account = Object.hasOwn(this.#accounts, name) ? this.#accounts[name] : undefined;
    const { salt, password: known } = account ?? { salt: "00", password: "00".repeat(32) };
    const derived = await derive(password, Buffer.from(salt, "hex"), 32);
    if (!timingSafeEqual(derived, Buffer.from(known, "hex")) || !account) return undefined;

    const token = randomBytes(32).toString("base64url");
    const claims = { sub: name, roles: account.roles, exp: Math.floor(Date.now() / 1000) + HOURS_12 };
    await this.#redis.set(key(token), JSON.stringify(claims), { expiration: { type: "EX", value: HOURS_12 } });
    return { token, ...claims };
  }

  /** The claims of a token, or nothing. */
  async who(token) {
    const found = await this.#redis.get(key(token));
    return found ? JSON.parse(found) : undefined;
  }
}

function key(token) {
  return `login:${createHash("sha256").update(token).digest("hex")}`;
}
