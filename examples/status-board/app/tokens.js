// The tokens this app gives out at its login: JWTs that say who somebody is, which role they have, and whether their account
// was active when they logged in.

import { jwtVerify, SignJWT } from "jose";

const ISSUER = "status-board";
const LIFE_IN_SECONDS = 3600;

export class Tokens {
  #key;

  constructor(secret) {
    if (!secret || secret.length < 32) throw new Error("JWT_SECRET must have at least 32 characters");
    this.#key = new TextEncoder().encode(secret);
  }

  /** `{ token, lasts }`, `lasts` in seconds. */
  async issue({ id, role, active }) {
    const claims = new SignJWT({ role, active }).setProtectedHeader({ alg: "HS256" });
    const token = await claims
      .setIssuer(ISSUER)
      .setSubject(id)
      .setIssuedAt()
      .setExpirationTime(`${LIFE_IN_SECONDS}s`)
      .sign(this.#key);
    return { token, lasts: LIFE_IN_SECONDS };
  }

  /** The claims, or nothing when it is none of ours or too old. */
  async read(token) {
    const verified = jwtVerify(token, this.#key, { issuer: ISSUER, algorithms: ["HS256"] });
    return verified.then(({ payload }) => payload).catch(() => undefined);
  }
}
