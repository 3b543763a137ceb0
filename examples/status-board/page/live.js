// The connection of a page (or a script) to the board: one, with four namespaces on it. It comes back by itself, and then
// everything that was subscribed is subscribed again. Used by the page and by client.js, each with its own socket.io-client.

const NAMESPACES = ["/", "/status", "/media", "/youtube"];
const ANSWER_WITHIN_MS = 5_000;
const TRIES = 4;

/**
 * Connects, until `leave()`. `token()` is asked at every attempt, so a renewed token is shown when the connection comes back; it travels
 * in `auth: { token }`, or in the Authorization header with `header`. `tell(line)` hears what happens, and `refused(error, namespace)` when
 * there is no sense in trying again: `error.data` is `{ code, hint }`.
 */
export function connect(Manager, url, { token, header = false, tell, refused, ...options }) {
  const headers = () => ({ ...options.extraHeaders, ...(header && { authorization: `Bearer ${token()}` }) });
  const patience = { reconnectionDelay: 500, reconnectionDelayMax: 5_000 };
  const manager = new Manager(url, { withCredentials: true, ...patience, ...options, extraHeaders: headers() });
  manager.on("reconnect_attempt", () => (manager.opts.extraHeaders = headers()));
  manager.on("close", (reason) => tell(`connection lost: ${reason}`));

  const auth = (give) => give(header ? {} : { token: token() });
  const sockets = NAMESPACES.map((name) => manager.socket(name, { auth }));
  let isOver = false;
  const leave = () => {
    isOver = true;
    sockets.forEach((socket) => socket.disconnect());
  };
  for (const [index, socket] of sockets.entries()) {
    const name = NAMESPACES[index];
    socket.on("connect", () => tell(`${name} joined by ${manager.engine.transport.name}`));
    socket.on("connect_error", (error) => {
      const answer = refusalIn(error);
      if (!answer && !socket.active) {
        // Refused by name, in a packet: the library does not try again. Where it was one too many, the answer says when to.
        const later = error.data?.retry_after_ms;
        if (later === undefined) return refused(error, name);
        return setTimeout(() => isOver || socket.connect(), later);
      }
      // The rest is about the connection, and each namespace hears of it.
      if (index > 0) return;
      if (!answer) return tell(`not connected: ${error.message}`);
      // Refused by HTTP: the library would ask for the same answer for ever.
      leave();
      refused(answer, name);
    });
  }
  // The server has ended it for good: an account that was closed, too many refusals.
  sockets[0].on("disconnect", (reason) => reason === "io server disconnect" && refused(new Error("The server has ended the connection"), "/"));

  const [own, status, media, youtube] = sockets;
  return { manager, own, status, media, youtube, leave };
}

// The gate's answer to a handshake without a good token, where the token travels in a header. Polling lets us read it; of a
// WebSocket that was refused neither browsers nor the library tell more than that.
function refusalIn({ description: status, context }) {
  if (status !== 401 && status !== 403) return undefined;
  try {
    const { error: code, message, hint } = JSON.parse(context.responseText);
    return Object.assign(new Error(message), { data: { code, hint } });
  } catch {
    // Somebody else's answer, of a proxy on the way.
    return undefined;
  }
}

/** Sends a subscription now and after every return; `shown(answer)` gets what it is answered each time. */
export function subscribe(socket, event, values, shown) {
  const send = async () => shown(await ask(socket, event, ...values).catch((error) => ({ error })));
  socket.on("connect", send);
  if (socket.connected) send();
}

/** The answer to an event. Where it was one too many, it is sent again when the gate has said. */
export async function ask(socket, event, ...values) {
  for (let tries = 1; ; tries += 1) {
    const answer = await socket.timeout(ANSWER_WITHIN_MS).emitWithAck(event, ...values);
    if (answer?.error?.code !== "event_rate" || tries === TRIES) return answer;
    await new Promise((done) => setTimeout(done, answer.error.retry_after_ms));
  }
}
