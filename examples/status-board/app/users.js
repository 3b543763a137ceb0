// The user table: passwords as salted scrypt hashes, a role, whether the account is active, and the services somebody owns.
// It stands in a file here and in memory afterwards; yours is a database.

import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

const hash = promisify(scrypt);
// Checked in place of a user who is not there, so that the answer takes as long.
const NOBODY = `${randomBytes(16).toString("hex")}:${randomBytes(32).toString("hex")}`;

export class Users {
  #table;

  constructor(file) {
    this.#table = new Map(Object.entries(JSON.parse(readFileSync(file, "utf8"))));
  }

  /** Who that is, or nothing when the password is wrong. */
  async withPassword(id, password) {
    const [salt, known] = (this.#table.get(id)?.password ?? NOBODY).split(":").map((hex) => Buffer.from(hex, "hex"));
    const given = await hash(password, salt, known.length);
    return timingSafeEqual(given, known) ? this.find(id) : undefined;
  }

  find(id) {
    const user = this.#table.get(id);
    return user && { id, role: user.role, active: user.active };
  }

  setActive(id, active) {
    const user = this.#table.get(id);
    if (user) user.active = active;
    return this.find(id);
  }

  ownersOf(service) {
    return [...this.#table].filter(([, user]) => user.owns.includes(service)).map(([id]) => id);
  }
}
