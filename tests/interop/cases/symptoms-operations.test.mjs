// The debugging guide, what an operator sees: a gate that is not ready, and a configuration that is not taken.

import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { WAYS } from "../support/client.mjs";
import { ADMIN_TOKEN, Gate, NEEDS_GATE } from "../support/gate.mjs";
import { records, symptom } from "../support/guide.mjs";
import { ask, engine } from "../support/request.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer } from "../support/token.mjs";
import { freePort, until } from "../support/wait.mjs";

test("a record has the id of its answer, and who is followed leaves one for every poll", NEEDS_GATE, async () => {
  const stage = await Stage.open({ apps: ["node"] });
  const refused = await engine(stage);
  const id = refused.headers["x-request-id"];
  const record = await until("its record is written", () => records(stage.gate).find((record) => record.id === id));
  assert.equal(record.refusal, JSON.parse(refused.text).error);

  const polls = () => records(stage.gate).filter(({ kind }) => kind === "poll").length;
  const client = await stage.client(WAYS.polling);
  assert.equal(polls(), 0);
  await stage.gate.reload({ log: { debug_for: ["address:127.0.0.1"] } });
  // Of the poll that waits while that happens nothing is written yet.
  await until("a poll is written", async () => (await client.call("add", 1, 2)) === 3 && polls() > 0);
  await stage.close();
});

symptom("not ready", (page) => {
  test("no keys yet, and no app", async () => {
    const nobody = await freePort();
    const gate = await Gate.start({
      admin: { address: `127.0.0.1:${await freePort()}` },
      auth: { secret: undefined, jwks_url: `http://127.0.0.1:${nobody}/jwks`, jwks_minimum: "1s" },
      upstream: [{ name: "app", members: [`http://127.0.0.1:${nobody}`], probe_interval: "100ms" }],
      route: [{ path: "/socket.io/" }],
    });
    const ready = () => ask({ url: `http://${gate.doors.admin}` }, "/readyz", { headers: bearer(ADMIN_TOKEN) });
    const { status, text } = await until("both are missing", async () => {
      const answer = await ready();
      return answer.text.includes("has no member") && answer;
    });
    assert.equal(status, 503);
    page.client(text, "not ready", "has no member that takes new sessions", "no keys have been fetched");
    await page.log(gate, "keys could not be fetched", 'cause="no connection: connection refused"');
    await page.metric(gate, 'sockgate_member_up{upstream="app",member="…"} 0');
    await page.metric(gate, 'sockgate_jwks_failing{source="…"} 1');
    assert.equal((await page.command(gate, "sockgate health")).code, 1);

    const answer = await engine({ url: gate.url, trust: { ca: gate.ca } }, { headers: bearer(signed()) });
    assert.equal(answer.status, 503);
    await page.log(gate, "status=503", "refusal=keys_unavailable");
    await gate.stop();
  });
});

symptom("The new configuration does nothing", (page) => {
  test("a mistake in the file", async () => {
    const stage = await Stage.open({ apps: ["node"] });
    stage.gate.rewrite({ origin: { alow: ["https://app.example.com"] } });
    await page.log(stage.gate, "the new configuration is refused; the old one stays in effect");
    await page.log(stage.gate, 'problem="refused: … origin.alow: unknown key. Did you mean origin.allow?"');
    await page.metric(stage.gate, 'sockgate_reloads_total{outcome="refused"}');
    await page.metric(stage.gate, "sockgate_generation 1");
    const { code, text } = await page.command(stage.gate, "sockgate check");
    assert.deepEqual([code, /origin\.alow: unknown key/.test(text)], [1, true]);
    await stage.close();
  });

  test("an option that is bound at the start, and a variable that is stronger than the file", async () => {
    const stage = await Stage.open({ apps: ["node"] });
    await stage.gate.reload({ listen: { workers: 2 }, origin: { allow: ["https://app.example.com"] } });
    await page.log(stage.gate, "this option has changed and takes effect at the next start", "key=listen.workers");
    const file = await page.command(stage.gate, "sockgate explain origin.allow");
    assert.match(file.text, /^origin\.allow = \["https:\/\/app\.example\.com"\] +\(sockgate\.toml:\d+:\d+\)/);
    process.env.CORS_ORIGIN = "https://other.example.com";
    const variable = await page.command(stage.gate, "sockgate explain origin.allow");
    delete process.env.CORS_ORIGIN;
    assert.match(variable.text, /^origin\.allow = \["https:\/\/other\.example\.com"\] +\(.*CORS_ORIGIN/);
    await stage.close();
  });
});

// A token that only published keys can judge.
function signed() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "RS256", kid: "one" })}.${part({ sub: "ana", iat: now, exp: now + 60 })}`;
  return `${text}.${sign("sha256", Buffer.from(text), privateKey).toString("base64url")}`;
}
