// The debugging guide, "Inside sessions": what clients see of events that are refused, kept back or too large, and of sessions
// that are ended for good.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Admin } from "../support/admin.mjs";
import { WAYS } from "../support/client.mjs";
import { farewell, symptom } from "../support/guide.mjs";
import { Stage } from "../support/stage.mjs";
import { mint } from "../support/token.mjs";
import { until } from "../support/wait.mjs";

const ADMINS = { needs: { roles: ["admin"] } };
const RULES = { rule: [{ send: ["admin:*"], ...ADMINS }, { receive: ["admin:*"], ...ADMINS }] };
const TEXT = JSON.stringify({ prefixItems: [{ type: "string" }], minItems: 1, items: false });
const counted = (reason) => `sockgate_refusals_total{reason="${reason}"}`;
const closed = (reason) => `sockgate_sessions_closed_total{reason="${reason}"}`;
const admin = () => mint("root", { claims: { roles: ["admin"] } });

symptom("An event does nothing", (page) => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"], config: { access: RULES } })));
  afterEach(() => stage.leave());
  after(() => stage.close());

  test("an event of the client, without an acknowledgement and with one", async () => {
    const client = await stage.client(WAYS.websocket);
    const { events } = await stage.app.stats();
    client.socket.emit("admin:ban", "eve");
    await page.log(stage.gate, "packet refused", "refusal=event_refused", 'detail="/ admin:ban: access.rule[0]"');
    await page.metric(stage.gate, counted("event_refused"));
    page.client(JSON.stringify(await client.call("admin:ban", "eve")), '"code":"event_refused"');
    assert.equal((await stage.app.stats()).events, events);
    const { text } = await page.command(stage.gate, "sockgate explain access send admin:ban");
    assert.match(text, /^refused: .*\n +by access\.rule\[0\], which needs "roles" = \["admin"\]/);
  });

  test("an event of the app", async () => {
    const client = await stage.client(WAYS.websocket);
    const heard = [];
    client.socket.onAny((event) => heard.push(event));
    await client.call("say", "admin:news", { text: "for admins" });
    assert.deepEqual(heard, []);
    await page.metric(stage.gate, "sockgate_packets_filtered_total");
    const ask = "sockgate explain access receive admin:news";
    assert.match((await page.command(stage.gate, ask)).text, /^refused: .*\n +by access\.rule\[1\]/);
    assert.match((await page.command(stage.gate, ask, { "admin:news": `admin:news --token ${admin()}` })).text, /^allowed: .*\n +for root/);
  });

  test("what helps: the role, and letting pass what is only tried", async () => {
    const root = await stage.client({ ...WAYS.websocket, token: admin() });
    const { events } = await stage.app.stats();
    root.socket.emit("admin:ban");
    await until("the app has it", async () => (await stage.app.stats()).events > events);
    await stage.gate.reload(page.setting("access.shadow"));
    const user = await stage.client(WAYS.websocket);
    user.socket.emit("admin:ban");
    await until("the app has it", async () => (await stage.app.stats()).events > events + 1);
  });
});

symptom("An error as acknowledgement", (page) => {
  test("refused, too many, too large, not as it must be", async () => {
    const config = {
      access: { ...RULES, payload: [{ events: ["shout"], schema: TEXT }] },
      limit: { event: [{ events: ["add"], rate: "1/1h" }, { events: ["echo"], size: "1 KiB" }] },
    };
    const stage = await Stage.open({ apps: ["node"], config });
    const client = await stage.client(WAYS.websocket);
    await client.call("add", 1, 2);
    const REFUSED = {
      event_refused: ["/ admin:ban: access.rule[0]", "admin:ban", "eve"],
      event_rate: ["/ add: limit.event[0]", "add", 1, 2],
      event_too_large: ["/ echo: limit.event[1].size", "echo", "x".repeat(2_000)],
      event_invalid: ["/ shout: access.payload[0]: /0 by /prefixItems/0/type", "shout", 7],
    };
    for (const [code, [detail, ...event]] of Object.entries(REFUSED)) {
      const answer = JSON.stringify(await client.call(...event));
      page.client(answer, '{"error":{"code":…,"message":…}}', `"code":"${code}"`);
      await page.log(stage.gate, `detail="${detail}"`);
      await page.metric(stage.gate, counted(code));
      if (code === "event_rate") assert.match(answer, /"retry_after_ms":\d+/);
    }
    await stage.close();
  });
});

symptom("io server disconnect", (page) => {
  let stage, door;
  before(async () => {
    stage = await Stage.open({ apps: ["node"], config: { access: RULES } });
    door = new Admin(stage.gate);
  });
  afterEach(() => stage.leave());
  after(() => stage.close());

  const session = async (subject) => (await door.ask(`/sessions?subject=${subject}`)).sessions[0].session;
  const DEEDS = {
    abuse: (client) => {
      for (let count = 0; count < 40; count += 1) client.socket.emit("admin:ban", count);
    },
    killed: async () => door.ask(`/sessions/${await session("killed")}/kill`, {}),
    revoked: () => door.ask("/revoke", { subject: "revoked" }),
  };
  for (const [reason, deed] of Object.entries(DEEDS)) {
    test(reason, async () => {
      const client = await stage.client({ ...WAYS.websocket, subject: reason });
      const told = farewell(client);
      await deed(client);
      page.client(await told, "io server disconnect");
      assert.equal(client.socket.active, false);
      await page.log(stage.gate, `reason=${reason}`);
      await page.metric(stage.gate, closed(reason));
    });
  }
});

symptom("Large messages fail", (page) => {
  const BYTES = Buffer.alloc(1_100_000);
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"], config: { socketio: { max_payload: "1 MB" } } })));
  afterEach(() => stage.leave());
  after(() => stage.close());

  const send = async (way) => {
    const client = await stage.client({ ...WAYS[way], reconnection: false });
    const told = farewell(client);
    client.socket.emit("echo", BYTES);
    return told;
  };

  test("by polling", async () => {
    page.client(await send("polling"), "transport error", '"error":"payload_too_large"');
    await page.log(stage.gate, "status=413", "refusal=payload_too_large");
    await page.metric(stage.gate, counted("payload_too_large"));
  });

  test("on a WebSocket", async () => {
    page.client(await send("websocket"), "transport close", "1009");
    await page.log(stage.gate, "session ended", "reason=payload_too_large", "code=1009");
    await page.metric(stage.gate, closed("payload_too_large"));
  });

  test("with a larger limit they go", async () => {
    await stage.gate.reload(page.setting("socketio.max_payload"));
    for (const way of ["polling", "websocket"]) {
      const client = await stage.client(WAYS[way]);
      assert.ok(BYTES.equals(await client.call("echo", BYTES)));
    }
  });
});
