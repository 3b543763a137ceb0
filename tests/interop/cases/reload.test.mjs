// New rules reach sessions that are open, and disturb none: two thousand of them, half by polling and half on WebSockets, live
// through fifty reloads, and each obeys the newest rules within a second.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Door } from "../support/door.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";
import { until } from "../support/wait.mjs";
import { Dweller } from "../soak/dweller.mjs";

const SESSIONS = 2_000;
const RELOADS = 50;
// Streams of one HTTP/2 connection: a waiting poll and a POST, or a WebSocket each.
const ON_A_CONNECTION = 25;
const OPENED_AT_ONCE = 50;
const SOON = 1_000;

// Heartbeats often enough that no line is silent for longer than tests wait, and no more.
const BEATING = { PING_INTERVAL: "8000", PING_TIMEOUT: "20000" };

// The generations: `add` is allowed and denied in turn, and the limits are others each time.
const rules = (number) => ({
  access: { rule: [{ send: ["add"], deny: number % 2 === 1 }, { join: ["/left"], deny: true }] },
  limit: { event: [{ events: ["up"], rate: `${100 + number}/1s` }], messages_per_session: `${1000 + number}/1s burst 5000` },
});

describe("reload", NEEDS_GATE, () => {
  let stage;
  const doors = [];
  const dwellers = [];
  before(async () => {
    stage = await Stage.open({ apps: [["node", { env: BEATING }]], config: rules(0) });
    const headers = bearer(mint("crowd"));
    doors.push(...Array.from({ length: SESSIONS / ON_A_CONNECTION }, () => new Door(stage, { headers, http2: true })));
    while (dwellers.length < SESSIONS) {
      const numbers = Array.from({ length: OPENED_AT_ONCE }, (_, index) => dwellers.length + index);
      dwellers.push(...(await Promise.all(numbers.map(open))));
    }
  });
  after(async () => {
    doors.forEach((door) => door.close());
    await stage.close();
  });

  const open = (number) => Dweller.open(doors[number % doors.length], number % 2 ? "polling" : "websocket");
  const ended = () => dwellers.map(({ ended }) => ended).filter(Boolean);

  test(`${RELOADS} reloads end none of ${SESSIONS} sessions, and each obeys the newest rules`, async () => {
    const times = [];
    for (let number = 1; number <= RELOADS; number += 1) {
      await stage.gate.reload(rules(number));
      const since = performance.now();
      // All have been asked when the last reload is over.
      const share = dwellers.filter((_, index) => index % RELOADS === number - 1);
      await Promise.all(share.map((dweller) => obeys(dweller, number)));
      times.push(performance.now() - since);
      assert.deepEqual(ended(), []);
    }
    assert.ok(Math.max(...times) < SOON, `it took ${times.map(Math.round)} ms`);
    const { sessions } = await stage.gate.status();
    assert.deepEqual([sessions.polling, sessions.websocket], [SESSIONS / 2, SESSIONS / 2]);
    assert.equal((await stage.app.stats()).open, SESSIONS);
  });

  test("a namespace that is forbidden now is left alone, by those who are in it", async () => {
    const inChat = dwellers.slice(0, 100);
    await Promise.all(inChat.map(({ line }) => line.send("40/chat,")));
    const has = (start) => inChat.every(({ heard }) => heard.some((packet) => packet.startsWith(start)));
    await until("they are in the chat", () => has('42/chat,["hello"'));

    await stage.gate.reload({ access: { rule: [{ join: ["/chat"], deny: true }] } });
    await until("they were told that they are not any more", () => has("41/chat,"));
    for (const dweller of inChat) assert.equal(await dweller.ask("add", 1, 2), 3);
    assert.deepEqual(ended(), []);
  });

  test("a configuration that is not good changes nothing", async () => {
    await assert.rejects(stage.gate.reload({ access: { join: "sometimes" } }), /in vain/);
    for (const dweller of dwellers.slice(0, 20)) assert.equal(await dweller.ask("add", 1, 2), 3);
    assert.deepEqual(ended(), []);
  });

  // Denied in odd generations.
  async function obeys(dweller, number) {
    const answer = await dweller.ask("add", 20, 22);
    if (number % 2 === 0) assert.equal(answer, 42);
    else assert.equal(answer.error?.code, "event_refused");
  }
});
