// Packets that no client library sends, one by one, in a judged session before apps that keep a journal of all they are given:
// what the client sees of it, what the app was given, and whether the session lives. Once by polling and once on a WebSocket,
// since the same judge has to see the same packets there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Door } from "../support/door.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { Heard } from "../support/heard.mjs";
import { OnWebSocket, Polling } from "../support/line.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";

const WAYS = { polling: Polling, websocket: OnWebSocket };
const APPS = ["node", "uvicorn"];

const CONFIG = {
  socketio: { judge: "always", max_payload: "100 KB" },
  access: {
    rule: [
      { send: ["admin:*"], needs: { roles: ["admin"] } },
      { join: ["/admin"], needs: { roles: ["admin"] } },
    ],
  },
  limit: { event: [{ events: ["small"], size: "1 KB" }, { events: ["rare"], rate: "1/1h burst 1" }] },
};
const CALM = { PING_INTERVAL: "25000", PING_TIMEOUT: "20000", HEARD: "1" };

const BYTES = Buffer.from([1, 2, 3, 4]);
const HOLE = '{"_placeholder":true,"num":0}';
const deep = (depth) => "[".repeat(depth) + "]".repeat(depth);

// Nothing can be trusted any more: the session is over, by polling with 400, on a WebSocket with 4400.
const BREAKS = { lives: false };
// Nobody hears of it.
const VANISHES = { lives: true };
const refused = (id, code) => ({ lives: true, seen: [new RegExp(`^43${id}\\[\\{"error":\\{"code":"${code}"`)] });
// The app is given just this, and says something to it.
const passes = (heard, ...seen) => ({ lives: true, heard: [heard].flat(), seen });

// What the vectors say that no gate passes. A packet with a separator in it is two by polling.
const VECTORS = JSON.parse(readFileSync(new URL("../../vectors/refused_packets.json", import.meta.url), "utf8"));

const ROWS = {
  // Engine.IO
  "a ping of the client": ["2", BREAKS],
  "an open packet of the client": ['0{"sid":"a"}', BREAKS],
  "an unknown engine packet": ["9", BREAKS],
  "a letter": ["a", BREAKS],
  "an empty packet": ["", BREAKS],
  "a noop": ["6", VANISHES],
  "a pong too many": ["3", VANISHES],
  "a pong with words": ["3abc", BREAKS],
  "a noop with words": ["6abc", BREAKS],
  "a goodbye with words": ["1abc", BREAKS],
  "a probe that is none": ["2prob", BREAKS],
  "the answer to a probe": ["3probe", BREAKS],
  "HTTP": ["GET / HTTP/1.1\r\nHost: app\r\n\r\n", BREAKS],
  "bytes that are not UTF-8": [{ raw: Buffer.concat([Buffer.from('425["echo","'), Buffer.from([0xff, 0xfe]), Buffer.from('"]')]) }, BREAKS],
  "an overlong UTF-8 quote": [{ raw: Buffer.concat([Buffer.from('425["add'), Buffer.from([0xc0, 0xa2]), Buffer.from(",1]")]) }, BREAKS],

  // Out of their state
  "an event of a namespace not joined, to be answered": ['42/chat,5["add",1,1]', { lives: true, seen: [/^43\/chat,5\[\{"error":\{"code":"not_connected"/] }],
  "an event of a namespace not joined": ['42/chat,["add",1,1]', VANISHES],
  "an event of a namespace that there is not": ['42/nowhere,["add",1,1]', VANISHES],
  "an answer of a namespace not joined": ["43/chat,5[1]", VANISHES],
  "leaving a namespace not joined": ["41/chat,", VANISHES],
  "joining twice": ["40", VANISHES],
  "joining twice, written out": ["40/,", VANISHES],
  "a refusal of the client": ['44{"message":"no"}', BREAKS],
  // Some servers look for who asked by the number alone: what was not asked for is not answered.
  "an answer that nobody waits for": ['43999["late"]', VANISHES],
  "joining and speaking at once": [
    ["40/chat,", '42/chat,7["add",1,1]'],
    { lives: true, heard: ["40/chat,", '42/chat,7["add",1,1]'], seen: [/^40\/chat,/, /^42\/chat,\["hello"/, "43/chat,7[2]"], anyOrder: true },
  ],

  // Odd and allowed: in the one form that everybody reads alike
  "an escaped name": ['425["\\u0061dd",1,1]', passes('425["\\u0061dd",1,1]', "435[2]")],
  "the main namespace, written out": ['42/,5["add",1,1]', passes(/^42(\/,)?5\["add",1,1\]$/, "435[2]")],
  "a space within JSON": ['425["add", 1 , 1]', passes('425["add", 1 , 1]', "435[2]")],
  "the largest id": ['429007199254740991["add",1,1]', passes('429007199254740991["add",1,1]', "439007199254740991[2]")],
  "a name that nobody listens to": ['42["nobody:listens"]', passes('42["nobody:listens"]')],
  "__proto__ as a name": ['42["__proto__",{"__proto__":{"a":1}}]', passes('42["__proto__",{"__proto__":{"a":1}}]')],
  "a separator, escaped": ['425["echo","a\\u001eb"]', passes('425["echo","a\\u001eb"]', '435["a\\u001eb"]')],
  "depth 30": [`425["echo",${deep(30)}]`, passes(`425["echo",${deep(30)}]`, `435[${deep(30)}]`)],

  // Too much
  "depth 33": [`42["echo",${deep(33)}]`, BREAKS],
  "depth 40,000": [`42["echo",${deep(40_000)}]`, BREAKS],
  "a name of 129 bytes": [`42["${"n".repeat(129)}"]`, BREAKS],
  "a namespace of 129 bytes": [`40/${"n".repeat(128)},`, BREAKS],
  "a namespace of 10 KB": [`40/${"n".repeat(10_000)},`, BREAKS],
  "an id of 400 digits": [`42${"7".repeat(400)}["add",1,1]`, BREAKS],
  "a CONNECT of 60 KB": [`40/chat,{"a":"${"x".repeat(60_000)}"}`, BREAKS],
  "more than a message may have": [`42["echo","${"x".repeat(100_001)}"]`, { lives: { polling: true, websocket: false }, status: 413, code: 1009 }],
  "an event that may be 1 KB": [`425["small","${"x".repeat(2_000)}"]`, refused(5, "event_too_large")],
  "an event once too often": [
    ['425["rare"]', '426["rare"]'],
    { lives: true, heard: ['425["rare"]'], seen: [/^436\[\{"error":\{"code":"event_rate",.*"retry_after_ms":\d+/], skipsAnswer: true },
  ],

  // Binary. Of a payload that is malformed in one place nothing goes anywhere.
  "binary that nothing announced": [BYTES, BREAKS],
  "binary as text that nothing announced": ["bAQIDBA==", BREAKS],
  "an attachment too many": [[`451-5["echo",${HOLE}]`, BYTES, BYTES], { lives: false, heard: { polling: [], websocket: [`451-5["echo",${HOLE}]`, "bAQIDBA=="] } }],
  "an event where an attachment is due": [[`451-5["echo",${HOLE}]`, '427["add",1,1]'], { lives: false, heard: { polling: [], websocket: [`451-5["echo",${HOLE}]`] } }],
  "leaving where an attachment is due": [[`451-5["echo",${HOLE}]`, "41"], { lives: false, heard: { polling: [], websocket: [`451-5["echo",${HOLE}]`] } }],
  "no base64 where an attachment is due": [
    [`451-5["echo",${HOLE}]`, "b*not*"],
    { lives: false, heard: { polling: [], websocket: [`451-5["echo",${HOLE}]`] } },
  ],
  "a pong before an attachment": [
    [`451-5["echo",${HOLE}]`, "3", BYTES],
    passes([`451-5["echo",${HOLE}]`, "bAQIDBA=="], `461-5[${HOLE}]`, "bAQIDBA=="),
  ],
  "an attachment as text": [[`451-5["echo",${HOLE}]`, "bAQIDBA=="], passes([`451-5["echo",${HOLE}]`, "bAQIDBA=="], `461-5[${HOLE}]`, "bAQIDBA==")],
  "a placeholder of another attachment": [['451-5["echo",{"_placeholder":true,"num":5}]', BYTES], BREAKS],
  "a placeholder numbered below zero": [['451-5["echo",{"_placeholder":true,"num":-1}]', BYTES], BREAKS],
  "a placeholder numbered by a text": [['451-5["echo",{"_placeholder":true,"num":"0"}]', BYTES], BREAKS],
  "a placeholder numbered by a path": [['451-5["echo",{"_placeholder":true,"num":"__proto__"}]', BYTES], BREAKS],
  "a placeholder without a number": [['451-5["echo",{"_placeholder":true}]', BYTES], BREAKS],
  "an answer with an attachment that nobody waits for": [['461-5[{"_placeholder":true,"num":7}]', BYTES], VANISHES],

  // What the rules do not allow
  "an event that is not allowed, to be answered": ['425["admin:ban","eve"]', refused(5, "event_refused")],
  "an event that is not allowed": ['42["admin:ban","eve"]', VANISHES],
  "an event that is not allowed, escaped": ['425["\\u0061dmin:ban","eve"]', refused(5, "event_refused")],
  "an event that is not allowed, with the main namespace written out": ['42/,5["admin:ban","eve"]', refused(5, "event_refused")],
  "binary that is not allowed": [[`452-5["admin:up",${HOLE},${HOLE}]`, BYTES, BYTES], refused(5, "event_refused")],
  "binary that is not allowed, unanswered": [[`451-["admin:up",${HOLE}]`, BYTES], VANISHES],
  "a namespace that is not allowed": ["40/admin,", { lives: true, seen: [/^44\/admin,\{.*"message":"You may not join this namespace"/] }],
  "a namespace that is not allowed, without its comma": ["40/admin", { lives: true, seen: [/^44\/admin,\{.*"code":"namespace_refused"/] }],
  "a namespace that is not allowed, with a query": ["40/admin?x=1,", BREAKS],
  "an event of a namespace that was refused": [
    ["40/admin,", '42/admin,5["add",1,1]'],
    { lives: true, seen: [/^44\/admin,/, /^43\/admin,5\[\{"error":\{"code":"not_connected"/] },
  ],
};

// Only there is it what it is here.
const BY_POLLING = {
  "a good packet and a bad one": [['42["count",0]', '42["add",NaN]'], BREAKS],
  "a good packet and one that is not allowed": [['42["count",0]', '425["admin:ban"]'], { ...refused(5, "event_refused"), heard: ['42["count",0]'] }],
  "bad base64": ["b*not*", BREAKS],
  "two separators": ['42["count",0]\u001e\u001e42["count",0]', BREAKS],
  "a separator at the end": ['42["count",0]\u001e', BREAKS],
  "200,000 separators": [{ raw: Buffer.alloc(90_000, 0x1e) }, BREAKS],
  "the end of an upgrade": ["5", BREAKS],
  "a probe": ["2probe", BREAKS],
};
const BY_WEBSOCKET = {
  "two packets in one": ['425["add",1,1]\u001e426["add",1,1]', BREAKS],
};

const TABLES = APPS.flatMap((app) => Object.keys(WAYS).map((way) => [app, way]));

describe("hostile packets", { ...NEEDS_GATE, concurrency: TABLES.length }, () => TABLES.forEach(([app, way]) => judge(app, way)));

function judge(app, way) {
  describe(`by ${way} before ${app}`, { concurrency: 1 }, () => {
    let stage, door, heard;
    before(async () => {
      stage = await Stage.open({ apps: [[app, { env: CALM }]], config: CONFIG });
      // The same table over both versions of HTTP.
      door = new Door(stage, { headers: bearer(mint("ana")), http2: app === "uvicorn" });
      heard = new Heard(stage.app);
    });
    after(() => stage.close());

    for (const [what, [sent, expected]] of Object.entries(rows(way))) {
      test(what, async () => {
        const line = await WAYS[way].open(door);
        try {
          await line.join();
          await heard.forget();
          const lives = expected.lives[way] ?? expected.lives;
          const given = expected.heard?.[way] ?? expected.heard ?? [];
          await see(line, [sent].flat(), { seen: [], ...expected, lives, heard: given });
        } finally {
          await line.leave();
        }
      });
    }

    // What is given, what is seen, and what is left.
    async function see(line, sent, expected) {
      const isPolling = line instanceof Polling;
      const status = await send(line, sent);
      if (!expected.lives) {
        const { packets, end } = await line.end();
        if (isPolling) assert.equal(status, expected.status ?? 400);
        assert.equal(end, isPolling ? "a poll was answered 400 code 1" : `the WebSocket was closed with ${expected.code ?? 4400}`);
        assert.deepEqual(packets, []);
        return given(expected.heard);
      }
      if (isPolling) assert.equal(status, expected.status ?? 200);
      const answers = await untilGood(line, expected);
      assert.equal(answers.length, expected.seen.length, `it saw ${JSON.stringify(answers)}`);
      expected.seen.forEach((wanted, index) => assert.ok(matches(answers[index], wanted), `it saw ${JSON.stringify(answers)}`));
      await given([...expected.heard, GOOD], expected);
    }

    // These packets and no others; those it was given before the session ended may still be on their way.
    async function given(wanted, { anyOrder } = {}) {
      const packets = await heard.past(wanted.length);
      const told = `the app was given ${JSON.stringify(packets)}`;
      assert.equal(packets.length, wanted.length, told);
      if (anyOrder) [packets, wanted].forEach((list) => list.sort());
      wanted.forEach((packet, index) => assert.ok(matches(packets[index], packet), told));
    }

    test("nothing else has come later", async () => {
      if (app === "node") await stage.app.empty();
      door.close();
      await stage.gate.empty();
      await heard.isComplete();
    });
  });
}

const GOOD = '42998["add",1,1]';

// Sends a good event, and returns what was seen before and beside its answer.
async function untilGood(line, { seen, anyOrder, skipsAnswer }) {
  await line.send(GOOD);
  const answers = [];
  let isAnswered = false;
  while (!isAnswered || answers.length < seen.length) {
    const packet = textOf(await line.next());
    if (packet === "43998[2]") isAnswered = true;
    else if (packet !== "2" && !(skipsAnswer && packet.startsWith("435"))) answers.push(packet);
  }
  return anyOrder ? seen.map((wanted) => answers.find((answer) => matches(answer, wanted)) ?? "nothing") : answers;
}

async function send(line, sent) {
  if (!sent[0]?.raw) return line.attempt(...sent);
  if (line instanceof Polling) return (await line.postRaw(sent[0].raw)).status;
  await line.opened;
  line.socket.send(sent[0].raw, { binary: false });
}

function rows(way) {
  const vectors = VECTORS.filter(({ packet }) => way === "websocket" || !packet.includes("\u001e"));
  return {
    ...Object.fromEntries(vectors.map(({ name, packet }) => [`vector, ${name}`, [packet, BREAKS]])),
    ...ROWS,
    ...(way === "polling" ? BY_POLLING : BY_WEBSOCKET),
  };
}

const textOf = (packet) => (typeof packet === "string" ? packet : `b${packet.toString("base64")}`);
const matches = (packet, wanted) => (wanted instanceof RegExp ? wanted.test(packet) : packet === wanted);
