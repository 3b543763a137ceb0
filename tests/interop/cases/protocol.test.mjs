// The Engine.IO v4 and Socket.IO v5 protocols, packet by packet: what their documents promise of servers holds through the
// gate as it holds straight before the app, over HTTP/1.1 and over HTTP/2. The clients are raw: no library repairs anything.
// Where the documents leave the choice to the server, the outcome through the gate is compared with the app's own.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Door } from "../support/door.mjs";
import { BINARY } from "../support/gate.mjs";
import { Ended, OnWebSocket, packets, path, Polling, seen } from "../support/line.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";
import { next, until, within } from "../support/wait.mjs";

const APPS = ["node", "uvicorn"];
const DOORS = BINARY ? { "HTTP/1.1": { http2: false }, "HTTP/2": { http2: true } } : { "no gate": { http2: false } };
const WAYS = { polling: Polling, websocket: OnWebSocket };

// Long enough that no heartbeat comes between, and short enough to see several.
const CALM = { PING_INTERVAL: "25000", PING_TIMEOUT: "20000" };
// What an open packet then says; the payload is what the apps and the harness's gate allow.
const TOLD = { pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 5_000_000 };
const BEATING = {
  node: { PING_INTERVAL: "300", PING_TIMEOUT: "700" },
  // A whole second: of less, the Python server tells its clients 0.
  uvicorn: { PING_INTERVAL: "1000", PING_TIMEOUT: "500" },
};

const UNKNOWN_SESSION = "a poll was answered 400 code 1";
const ONE = '451-["echo",{"_placeholder":true,"num":0}]';
const TWO = '["echo",{"_placeholder":true,"num":0},"between",{"_placeholder":true,"num":1}]';
const BYTES = Buffer.from([1, 2, 3, 4]);
const MORE_BYTES = Buffer.from([0x1e, 0, 0xff]);

// Packets of a client that has joined the main namespace: what ends a session, what is swallowed and what is answered is
// the app's affair.
const MALFORMED = {
  "nothing after the message type": "4",
  "no Socket.IO packet": "4abc",
  "an unknown type": '49["echo"]',
  "JSON that breaks off": '42["echo"',
  "JSON with something behind it": '42["echo"]]',
  "an event that is an object": '42{"a":1}',
  "an event that is a text": '42"echo"',
  "an event without a name": "42[]",
  "an event without anything": "42",
  "an event named by an object": '42[{"name":"echo"}]',
  "an event named by a number": "42[7]",
  "a reserved event": '42["connect"]',
  "another reserved event": '42["disconnecting"]',
  "an event of a namespace not joined": '42/chat,["echo"]',
  "an event of an unknown namespace": '42/nowhere,["echo"]',
  "leaving a namespace not joined": "41/chat,",
  "leaving with a payload": '41{"reason":"none"}',
  "joining twice": "40",
  "joining with a list": "40/chat,[]",
  "joining with a text": '40/chat,"token"',
  "a refusal from a client": '44{"message":"no"}',
  "an acknowledgement nobody waits for": '4399["late"]',
  "an acknowledgement that is an object": '431{"a":1}',
  "attachments without a count": '45["echo",{"_placeholder":true,"num":0}]',
  "a count that is no number": '45x-["echo",{"_placeholder":true,"num":0}]',
  "a count of none": '450-["echo"]',
  "more attachments than an app wants": '451000-["echo",{"_placeholder":true,"num":0}]',
  "a placeholder of another attachment": ['451-["echo",{"_placeholder":true,"num":5}]', BYTES],
  "an attachment that does not come": ONE,
  "an attachment nobody announced": BYTES,
  "an attachment too many": [ONE, BYTES, BYTES],
  "an attachment as text": [ONE.replace("-", "-7"), "bAQIDBA=="],
  "an attachment that is no base64": [ONE.replace("-", "-7"), "b*not*"],
  "a ping from the client": "2",
  "an open packet from the client": "0",
  "an upgrade out of turn": "5",
  "a noop": "6",
  "an unknown packet": "9",
  "an empty packet": "",
  "two packets in one": '42["echo"]\u001e42["echo"]',
  "a fullwidth digit": '4２["echo"]',
  "a space before the JSON": '427 ["add",1,1]',
};

// Side by side: much of this is waiting for the apps.
describe("the protocol", { concurrency: APPS.length }, () => APPS.forEach(judge));

function judge(app) {
  // What only one app does, or can be asked for.
  const ifNode = { skip: app === "node" ? false : "Node's own" };
  const refusedInFront = { skip: app === "node" || BINARY ? false : "the app lets it pass" };

  describe(`before ${app}`, { concurrency: 1 }, () => {
    let calm, beating;
    before(async () => {
      [calm, beating] = await Promise.all([CALM, BEATING[app]].map((env) => Stage.open({ apps: [[app, { env }]] })));
    });
    after(() => Promise.all([calm.close(), beating.close()]));

    for (const [name, kind] of Object.entries(DOORS)) {
      describe(name, () => {
        let through, straight, pulse, straightPulse;
        const lines = [];
        const keep = (line) => (lines.push(line), line);
        const open = async (Way, door = through) => keep(await Way.open(door));
        const joined = async (Way, door = through) => {
          const line = await open(Way, door);
          await line.join();
          return line;
        };
        // A WebSocket beside a polling session, with the probe answered.
        const probe = async (polling) => {
          const line = keep(OnWebSocket.beside(polling));
          await line.send("2probe");
          assert.equal(await line.next(), "3probe");
          return line;
        };
        const upgraded = async (door = through) => {
          const polling = await joined(Polling, door);
          const line = await probe(polling);
          await line.send("5");
          assert.equal(await line.call("add", 20, 22), 42);
          return { polling, line };
        };
        // What `story` comes to, which has to be the same with the gate and without it.
        const alike = async (story) => {
          const own = await story(straight);
          const outcome = await story(through);
          assert.deepEqual(outcome, own, "the gate changes the outcome");
          return outcome;
        };

        before(() => {
          const headers = bearer(mint("ana"));
          [through, pulse] = [calm, beating].map((stage) => new Door(stage, { headers, ...kind }));
          [straight, straightPulse] = [calm, beating].map((stage) => new Door(stage.app, { headers }));
        });
        afterEach(() => Promise.all(lines.splice(0).map((line) => line.leave())));
        after(() => [through, pulse].forEach((door) => door.close()));

        describe("opening a session", () => {
          test("by polling: the open packet says all a client has to know", async () => {
            const { first, opening, passed } = await open(Polling);
            const { sid, ...rest } = opening;
            assert.match(first.headers["content-type"], /^text\/plain/);
            assert.match(sid, /^[\w.~-]+$/);
            assert.deepEqual(rest, { upgrades: ["websocket"], ...TOLD });
            assert.deepEqual(passed, []);
          });

          test("by WebSocket: the same, and nothing to upgrade to", async () => {
            const { sid, ...rest } = (await open(OnWebSocket)).opening;
            assert.match(sid, /^[\w.~-]+$/);
            assert.deepEqual(rest, { upgrades: [], ...TOLD });
          });

          const REFUSED = {
            "no EIO": ["GET", "transport=polling"],
            "an EIO that is no number": ["GET", "EIO=abc&transport=polling"],
            "EIO 3": ["GET", "EIO=3&transport=polling"],
            "an empty EIO": ["GET", "EIO=&transport=polling"],
            "an unknown transport": ["GET", "EIO=4&transport=abc"],
            "an empty transport": ["GET", "EIO=4&transport="],
            "transport websocket without a handshake": ["GET", "EIO=4&transport=websocket"],
            "a POST without a session": ["POST", "EIO=4&transport=polling"],
            "a PUT": ["PUT", "EIO=4&transport=polling"],
            "a DELETE": ["DELETE", "EIO=4&transport=polling"],
            "an unknown session, polled": ["GET", "EIO=4&transport=polling&sid=abc"],
            "an unknown session, posted to": ["POST", "EIO=4&transport=polling&sid=abc"],
            "no transport": ["GET", "EIO=4"],
            "nothing at all": ["GET", ""],
          };
          for (const [what, [method, query]] of Object.entries(REFUSED)) {
            // The Python server takes a request without a transport for polling; the document does not.
            const refusedBy = what.endsWith(" transport") && what !== "an unknown transport" ? refusedInFront : {};
            test(`${what} is refused`, refusedBy, async () => {
              const ask = (door) => door.ask(`/socket.io/?${query}`, { method, ...(method === "POST" && { body: "40" }) });
              const { status, text } = await ask(through);
              assert.ok([400, 405, 426].includes(status), `answered ${status}`);
              // The Python server gives no numbers.
              if (app === "node") assert.equal(JSON.parse(text).code, JSON.parse((await ask(straight)).text).code);
            });
          }

          const NO_WEBSOCKET = {
            "no EIO": "transport=websocket",
            "an EIO that is no number": "EIO=abc&transport=websocket",
            "EIO 3": "EIO=3&transport=websocket",
            "no transport": "EIO=4",
            "an unknown transport": "EIO=4&transport=abc",
            "transport polling": "EIO=4&transport=polling",
            "an unknown session": "EIO=4&transport=websocket&sid=abc",
          };
          for (const [what, query] of Object.entries(NO_WEBSOCKET)) {
            const refusedBy = ["no transport", "transport polling"].includes(what) ? refusedInFront : {};
            test(`a WebSocket with ${what} gets no session`, refusedBy, async () => {
              const line = keep(OnWebSocket.dial(through, `/socket.io/?${query}`));
              assert.deepEqual((await line.end()).packets, []);
              if (BINARY) assert.match(line.failure, /400/);
            });
          }
        });

        describe("messages", () => {
          test("by polling: one packet there and one back", async () => {
            const line = await joined(Polling);
            const { status, text } = await line.post('420["echo","hello"]');
            assert.equal(status, 200);
            assert.equal(text.toLowerCase(), "ok");
            assert.equal((await line.poll()).text, '430["hello"]');
          });

          test("by polling: several packets in one payload keep their order", async () => {
            const line = await joined(Polling);
            await line.send('421["echo","one"]', '422["echo","two"]', '423["echo","three"]');
            assert.equal(await line.take("43"), '431["one"]');
            assert.equal(await line.take("43"), '432["two"]');
            assert.equal(await line.take("43"), '433["three"]');
            assert.deepEqual(line.passed, []);
          });

          test("by polling: text and binary share a payload", async () => {
            const line = await joined(Polling);
            const body = ['420["echo","hello"]', ONE.replace("-", "-1"), "bAQIDBA=="].join("\u001e");
            await line.send(body);
            let told = "";
            while (!told.endsWith("bAQIDBA==")) told += `\u001e${(await line.poll()).text}`;
            assert.deepEqual(told.split("\u001e").slice(1), [
              '430["hello"]',
              '461-1[{"_placeholder":true,"num":0}]',
              "bAQIDBA==",
            ]);
          });

          test("by polling: every character survives, in both directions", async () => {
            const line = await joined(Polling);
            const text = "é \u{1F980} € \u2028 \u001e \\ \"";
            assert.equal(await line.call("echo", text), text);
          });

          test("by WebSocket: text and bytes are frames of their kind", async () => {
            const line = await joined(OnWebSocket);
            await line.send('420["echo","hello"]', ONE.replace("-", "-1"), BYTES);
            assert.equal(await line.take("43"), '430["hello"]');
            assert.equal(await line.take("46"), '461-1[{"_placeholder":true,"num":0}]');
            assert.deepEqual(await line.next(), BYTES);
          });

          test("by WebSocket: a control ping is answered with its payload between messages", async () => {
            const line = await joined(OnWebSocket);
            const pong = next(line.socket, "pong");
            line.socket.ping("are you there");
            assert.equal((await pong)[0].toString(), "are you there");
            assert.equal(await line.call("add", 1, 2), 3);
          });

          test("what is no packet ends the session, each way", ifNode, async () => {
            for (const Way of Object.values(WAYS)) {
              const { end } = await alike(async (door) => {
                const line = await open(Way, door);
                const status = await line.attempt("abc");
                return { status, ...(await line.end()) };
              });
              assert.match(end, Way === Polling ? /400 code 1/ : /closed with/);
            }
          });

          test("a second poll beside a waiting one ends the session", ifNode, async () => {
            const { first, second, after } = await alike(async (door) => {
              const line = await open(Polling, door);
              const tag = fresh();
              const waiting = line.poll({ tag });
              await seen(calm.app, tag);
              const [second, first] = await Promise.all([line.poll(), waiting]);
              return { first: brief(first), second: second.status, after: (await line.end()).end };
            });
            assert.deepEqual(first, { status: 200, text: "1" });
            assert.ok([400, 500].includes(second));
            assert.equal(after, UNKNOWN_SESSION);
          });

          test("a waiting poll that the client gives up ends the session", ifNode, async () => {
            for (const door of [straight, through]) {
              const line = await joined(Polling, door);
              const [tag, giveUp] = [fresh(), new AbortController()];
              const waiting = line.poll({ tag, signal: giveUp.signal });
              await seen(calm.app, tag);
              giveUp.abort();
              await assert.rejects(waiting, { name: "AbortError" });
              await until("the session is gone", async () => (await line.attempt('42["count",0]')) === 400);
            }
          });
        });

        // The Python server counts in seconds. Over HTTP/2 its heart beats no other way than Node's.
        const unhurried = { skip: app !== "node" && kind.http2 ? "seen over HTTP/1.1" : false };
        describe("heartbeat", unhurried, () => {
          test("pings come as long as pongs do, each way", async () => {
            const live = Object.values(WAYS).map(async (Way) => {
              const line = await joined(Way, pulse);
              for (let count = 0; count < 2; count += 1) {
                assert.equal(await line.next(), "2");
                await line.send("3");
              }
              assert.equal(await line.call("add", 1, 2), 3);
            });
            await Promise.all(live);
          });

          test("a pong that does not come ends the session, each way", async () => {
            const die = Object.entries(WAYS).map(async ([way, Way]) => {
              // The two wait at the same time, since all they do is wait.
              const ends = [straightPulse, pulse].map(async (door) => {
                const line = await open(Way, door);
                assert.equal(await line.next(), "2");
                return line.end();
              });
              const [own, outcome] = await Promise.all(ends);
              assert.deepEqual(outcome, own, `${way}: the gate changes the outcome`);
              assert.match(outcome.end, Way === Polling ? /400/ : /closed with/);
            });
            await Promise.all(die);
          });

          test("by polling: a client that never polls is gone in time", async () => {
            await beating.app.empty();
            const line = await joined(Polling, pulse);
            assert.equal((await beating.app.stats()).open, 1);
            await beating.app.empty();
            const { status, text } = await line.poll();
            assert.equal(status, 400, text);
          });
        });

        describe("closing", () => {
          test("by polling: the client's good bye releases its waiting poll and ends the session", ifNode, async () => {
            const outcome = await alike(async (door) => {
              const line = await open(Polling, door);
              const tag = fresh();
              const waiting = line.poll({ tag });
              await seen(calm.app, tag);
              return { said: brief(await line.post("1")), waiting: brief(await waiting), ...(await line.end()) };
            });
            assert.deepEqual(outcome, {
              said: { status: 200, text: "ok" },
              waiting: { status: 200, text: "6" },
              packets: [],
              end: UNKNOWN_SESSION,
            });
          });

          test("by WebSocket: a good bye in a packet is what the app makes of it", ifNode, async () => {
            await alike(async (door) => {
              const line = await joined(OnWebSocket, door);
              await line.send("1");
              return fate(line);
            });
          });

          test("by WebSocket: the client's close frame is answered, and the app is rid of the session", async () => {
            for (const [code, answered] of [[1000, 1000], [4321, 4321], [undefined, 1005]]) {
              await calm.app.empty();
              const line = await joined(OnWebSocket);
              assert.equal((await calm.app.stats()).open, 1);
              line.socket.close(code);
              assert.equal(await within("the close frame to be answered", line.closed), answered);
              await calm.app.empty();
            }
          });

          test("a connection that breaks ends its session", async () => {
            await calm.app.empty();
            const line = await joined(OnWebSocket);
            line.socket.terminate();
            await calm.app.empty();
          });

          test("an app that closes the connection is heard, each way", ifNode, async () => {
            for (const Way of Object.values(WAYS)) {
              await alike(async (door) => {
                const line = await joined(Way, door);
                await line.send('42["drop"]');
                return line.end();
              });
            }
          });
        });

        describe("upgrade", () => {
          test("probe, release of the waiting poll, and on the WebSocket from there", async () => {
            const polling = await joined(Polling);
            assert.equal(await polling.call("add", 1, 1), 2);
            const tag = fresh();
            const waiting = polling.poll({ tag });
            await seen(calm.app, tag);

            const line = await probe(polling);
            assert.deepEqual(packets(await waiting), ["6"]);
            await line.send("5");
            assert.equal(await line.call("add", 2, 2), 4);
            await line.send(ONE.replace("-", "-9"), BYTES);
            assert.equal(await line.take("46"), '461-9[{"_placeholder":true,"num":0}]');
            assert.deepEqual(await line.next(), BYTES);
          });

          test("what is posted while the probe goes on is not lost", async () => {
            const polling = await joined(Polling);
            const line = await probe(polling);
            await polling.send('425["echo","posted"]');
            await line.send("5");
            assert.equal(await line.take("43"), '435["posted"]');
          });

          test("requests by polling are refused afterwards, and the session does not mind", async () => {
            const { line } = await alikeBut("line", async (door) => {
              const { polling, line } = await upgraded(door);
              const refused = [await polling.poll(), await polling.post('42["drop"]')];
              return { refused: refused.map(brief), line };
            });
            assert.equal(await line.call("add", 3, 3), 6);
          });

          test("a second WebSocket of the session gets nowhere, and the first lives", async () => {
            const { polling, line } = await upgraded();
            const second = keep(OnWebSocket.beside(polling));
            await second.send("2probe");
            assert.deepEqual((await second.end()).packets, []);
            assert.equal(await line.call("add", 3, 3), 6);
          });

          test("a probe that dies leaves polling as it was, and another may come", async () => {
            const polling = await joined(Polling);
            const dying = await probe(polling);
            dying.socket.terminate();
            await within("the probe to be over", dying.closed);
            assert.equal(await polling.call("add", 1, 1), 2);
            const line = await until("another probe is let in", () => probe(polling).catch(isEnd));
            await line.send("5");
            assert.equal(await line.call("add", 2, 2), 4);
          });

          test("a WebSocket that does not begin with a probe is closed, and polling goes on", ifNode, async () => {
            for (const wrong of ["3probe", "2", "2prob", "1", "6", '42["echo"]', "abc", BYTES]) {
              await alike(async (door) => {
                const polling = await joined(Polling, door);
                const line = keep(OnWebSocket.beside(polling));
                await line.send(wrong);
                const { packets } = await line.end();
                return { packets, sum: await polling.call("add", 1, 1) };
              });
            }
          });

          test("an upgrade without a probe is what the app makes of it", ifNode, async () => {
            await alike(async (door) => {
              const polling = await joined(Polling, door);
              const line = keep(OnWebSocket.beside(polling));
              await line.send("5");
              return fate(line);
            });
          });

          // `alike` for stories that also return a line, which is left out of the comparison.
          async function alikeBut(name, story) {
            const own = await story(straight);
            const outcome = await story(through);
            const strip = (value) => ({ ...value, [name]: undefined });
            assert.deepEqual(strip(outcome), strip(own), "the gate changes the outcome");
            return outcome;
          }
        });

        for (const [way, Way] of Object.entries(WAYS)) {
          describe(`Socket.IO by ${way}`, () => {
            for (const [where, namespace] of Object.entries({ "the main namespace": "/", "a custom namespace": "/chat" })) {
              test(`${where} is joined, without a payload and with one`, async () => {
                for (const payload of ["", '{"token":"123","deep":{"list":[1]}}']) {
                  const line = await open(Way);
                  const answer = await line.join(namespace, payload);
                  assert.deepEqual(Object.keys(answer), ["sid"]);
                  assert.notEqual(answer.sid, line.sid);
                  if (app !== "node" || namespace !== "/") continue;
                  const { auth } = await line.call("whoami");
                  assert.deepEqual(auth, payload ? JSON.parse(payload) : {});
                }
              });
            }

            test("a namespace needs no comma when nothing follows", async () => {
              const line = await open(Way);
              await line.send("40/chat");
              await line.take('40/chat,{"sid":');
            });

            test("an unknown namespace is refused in the app's own words, and the session goes on", async () => {
              const refusal = await alike(async (door) => {
                const line = await open(Way, door);
                await line.send("40/nowhere,");
                const refusal = await line.take("44/nowhere,");
                await line.join();
                assert.equal(await line.call("add", 1, 1), 2);
                return refusal;
              });
              if (app === "node") assert.equal(refusal, '44/nowhere,{"message":"Invalid namespace"}');
            });

            test("events carry any JSON, and are acknowledged by their number", async () => {
              const line = await joined(Way);
              await line.send('42["echo","no answer wanted"]', '420["echo",1,"2",{"3":[true]},null,-0.5]');
              assert.equal(await line.take("43"), '430[1,"2",{"3":[true]},null,-0.5]');
              await line.send('429007199254740991["add",2,3]', '42/,12["add",3,4]');
              assert.equal(await line.take("43"), "439007199254740991[5]");
              assert.equal(await line.take("43"), "4312[7]");
            });

            test("the app's events are acknowledged by the client, in text and in bytes", ifNode, async () => {
              const line = await joined(Way);
              await line.send('421["ask","how many"]');
              const asked = /^42(\d+)\["asked","how many"\]$/.exec(await line.take("42"));
              await line.send(`43${asked[1]}["three",3]`);
              assert.equal(await line.take("43"), '431["three",3]');

              await line.send('422["ask"]');
              const again = /^42(\d+)\["asked"\]$/.exec(await line.take("42"));
              await line.send(`461-${again[1]}[{"_placeholder":true,"num":0}]`, BYTES);
              assert.equal(await line.take("46"), '461-2[{"_placeholder":true,"num":0}]');
              assert.deepEqual(await line.next(), BYTES);
            });

            test("binary events and acknowledgements keep their attachments in order", async () => {
              const line = await joined(Way);
              await line.send(`452-7${TWO}`, BYTES, MORE_BYTES);
              assert.equal(await line.take("46"), `462-7${TWO.replace('"echo",', "")}`);
              assert.deepEqual(await line.next(), BYTES);
              assert.deepEqual(await line.next(), MORE_BYTES);
              assert.equal(await line.call("add", 1, 1), 2);
            });

            test("binary events belong to their namespace", async () => {
              const line = await joined(Way);
              await line.join("/chat");
              await line.send('451-/chat,8["echo",{"_placeholder":true,"num":0}]', BYTES);
              assert.equal(await line.take("46"), '461-/chat,8[{"_placeholder":true,"num":0}]');
              assert.deepEqual(await line.next(), BYTES);
            });

            test("a namespace is left, others go on, and it is joined again in the same session", async () => {
              const line = await joined(Way);
              const before = await line.join("/chat");
              await line.send('42/chat,3["add",1,1]');
              assert.equal(await line.take("43"), "43/chat,3[2]");
              await line.send("41/chat,");
              assert.equal(await line.call("add", 2, 2), 4);
              const again = await line.join("/chat");
              assert.notEqual(again.sid, before.sid);
              await line.send('42/chat,4["add",3,3]');
              assert.equal(await line.take("43"), "43/chat,4[6]");
            });

            test("the main namespace is left and joined again in the same session", async () => {
              const line = await joined(Way);
              await line.join("/chat");
              await line.send("41");
              await line.send('42/chat,3["add",1,1]');
              assert.equal(await line.take("43"), "43/chat,3[2]");
              await line.join();
              assert.equal(await line.call("add", 2, 2), 4);
            });

            test("an app that disconnects a client says so with a packet", async () => {
              const line = await joined(Way);
              await line.join("/chat");
              await line.send('42["kick"]');
              assert.equal(await line.take("41"), "41");
              await line.send('42/chat,3["add",1,1]');
              assert.equal(await line.take("43"), "43/chat,3[2]");
            });

            test("leaving the last namespace is what the app makes of it", ifNode, async () => {
              await alike(async (door) => {
                await calm.app.empty();
                const line = await joined(Way, door);
                await line.send("41");
                await calm.app.empty();
                const lives = await fate(line, "40", "40{");
                await line.leave();
                return lives;
              });
            });

            test("an event before the namespace is joined ends the session as the app does it", ifNode, async () => {
              const { end } = await alike(async (door) => fate(await open(Way, door)));
              assert.match(end, Way === Polling ? /400 code 1/ : /closed with/);
            });

            // The Python server ignores nearly all of it, and leaves POSTs without an answer.
            for (const [what, sent] of Object.entries(app === "node" ? MALFORMED : {})) {
              test(`malformed, ${what}: as the app takes it`, async () => {
                await alike(async (door) => {
                  const line = await joined(Way, door);
                  const status = await line.attempt(...[sent].flat());
                  return { status, ...(await fate(line)) };
                });
              });
            }
          });
        }
      });
    }

    test("nothing is left behind", async () => {
      for (const stage of [calm, beating]) {
        await stage.app.empty();
        await stage.gate?.empty();
      }
    });
  });
}

/** Whether a session lives: all it sends until it answers a last question, or how it ended. */
async function fate(line, question = '42999["add",1,1]', answer = "43999[2]") {
  const status = await line.attempt(question);
  const packets = [];
  for (;;) {
    try {
      const packet = await line.next();
      // Ids of sessions differ and say nothing.
      packets.push(typeof packet === "string" ? packet.replace(/"sid":"[^"]*"/, '"sid"') : packet);
      if (packets.at(-1).toString().startsWith(answer)) return { status, packets, lives: true };
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
      return { status, packets, end: error.message };
    }
  }
}

const brief = ({ status, text }) => ({ status, text });

const isEnd = (error) => {
  if (!(error instanceof Ended)) throw error;
};

let tags = 0;
const fresh = () => `protocol${(tags += 1)}`;
