// Tokens as an identity provider would mint them: HS256 with the secret that the gate's configuration has.

import { createHmac, randomBytes } from "node:crypto";

export const SECRET = randomBytes(32).toString("hex");

/** A token for `subject`, good for `seconds`, with more claims if wanted. */
export function mint(subject = "ana", { seconds = 3600, claims = {}, secret = SECRET } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: subject, iat: now, exp: now + seconds, ...claims })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

export const bearer = (token) => ({ authorization: `Bearer ${token}` });
