// Waiting for the thing itself, with patience and a message that says what did not come. Nothing in these tests sleeps
// for a fixed time in the hope that something has happened by then.

import { createServer } from "node:net";

const PATIENCE = 15_000;

/** Asks `check` again and again until it returns something truthy, and returns that. */
export async function until(what, check, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${patience} ms in vain until ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** The values of the next `event` of anything with `once`: a socket, a process, a server. */
export function next(emitter, event, patience = PATIENCE) {
  return new Promise((done, fail) => {
    const take = (...values) => {
      clearTimeout(timer);
      done(values);
    };
    const timer = setTimeout(() => {
      emitter.off(event, take);
      fail(new Error(`waited ${patience} ms in vain for "${event}"`));
    }, patience);
    emitter.once(event, take);
  });
}

/** Fails when `promise` takes longer than a test can want. */
export function within(what, promise, patience = PATIENCE) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`waited ${patience} ms in vain for ${what}`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A port that was free a moment ago, for programs that cannot tell which one the system gave them. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await next(server, "listening");
  const { port } = server.address();
  server.close();
  await next(server, "close");
  return port;
}
