// Single requests, for what clients hide: the exact status, every header as it was sent, the body.

import { once } from "node:events";
import { Agent, request as askPlain } from "node:http";
import { Agent as TlsAgent, request as askTls } from "node:https";
import { within } from "./wait.mjs";

/** `{ status, headers, rawHeaders, text }` of one request on a connection of its own; the path is sent as it is written. */
export async function ask(stage, path, { method = "GET", headers = {}, body, signal, localAddress } = {}) {
  const { hostname, port, protocol } = new URL(stage.url);
  const [send, agent] = protocol === "https:" ? [askTls, new TlsAgent()] : [askPlain, new Agent()];
  const options = { hostname, port, path, method, agent, signal, localAddress, ...stage.trust };
  const asked = send({ ...options, headers: { connection: "close", ...headers } });
  asked.end(body);
  const [answer] = await within("an answer", once(asked, "response"));
  let text = "";
  for await (const part of answer.setEncoding("utf8")) text += part;
  return { status: answer.statusCode, headers: answer.headers, rawHeaders: answer.rawHeaders, text };
}

/** One Engine.IO request by polling: a handshake without `sid`, else a poll, or a POST with `body`. */
export function engine(stage, { sid, query = "", ...options } = {}) {
  return ask(stage, `/socket.io/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ""}${query}`, options);
}

/** A session by polling: its id and the headers that opened it. */
export async function openSession(stage, headers) {
  const { status, text } = await engine(stage, { headers });
  if (status !== 200) throw new Error(`the handshake was answered ${status} ${text}`);
  return { sid: JSON.parse(text.slice(1)).sid, headers };
}

/** How often each header name was sent, by lower-case name. */
export function countHeaders(rawHeaders) {
  const counts = {};
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index].toLowerCase();
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
