// The debugging guide, "Tokens": clients that are refused, what the guide says of it, and that its remedies help.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { WAYS } from "../support/client.mjs";
import { refusal, run, symptom } from "../support/guide.mjs";
import { HttpHop } from "../support/hop.mjs";
import { engine, openSession } from "../support/request.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";
import { next, until } from "../support/wait.mjs";

const soon = () => Math.floor(Date.now() / 1000) + 200;

symptom("401 again and again", (page) => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"] })));
  afterEach(() => stage.leave());
  after(() => stage.close());

  test("a token that has expired, kept by the client, which tries for ever; a fresh one in time ends that", async () => {
    const token = mint("ana", { seconds: -3600 });
    const client = stage.stranger({ ...WAYS.polling, token });
    const told = [];
    client.manager.on("reconnect_error", ({ message, description }) => told.push(`${message} ${description}`));
    await until("it has tried again and again", () => told.length >= 3);
    page.client(told, "xhr poll error");
    assert.deepEqual(new Set(told), new Set(["xhr poll error 401"]));
    await page.log(stage.gate, "status=401", "refusal=token_expired");
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="token_expired"}');
    const { text } = await page.command(stage.gate, "sockgate explain token -", {}, token);
    page.client(text, "FAIL  expiry (exp)");

    client.socket.io.opts.extraHeaders.authorization = bearer(mint()).authorization;
    await client.connected;
  });

  test("a token in auth before a gate that wants it with the handshake", async () => {
    const options = { ...WAYS.polling, extraHeaders: {}, auth: { token: mint() } };
    await refusal(stage, options);
    await page.log(stage.gate, "refusal=token_absent");
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="token_absent"}');
    await stage.gate.reload(page.setting("auth.when"));
    assert.ok(await stage.client(options));
    await stage.gate.reload({});
  });

  test("an old cookie beside a new header", async () => {
    const extraHeaders = { ...bearer(mint()), cookie: `token=${mint("ana", { seconds: -3600 })}` };
    await refusal(stage, { ...WAYS.polling, extraHeaders });
    await page.log(stage.gate, "refusal=token_ambiguous", "detail=tokens_disagree");
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="token_ambiguous"}');
    await stage.gate.reload(page.setting("auth.from"));
    assert.ok(await stage.client({ ...WAYS.polling, extraHeaders }));
  });

  const EARLY = { reason: "token_not_yet_valid" };
  const BAD = {
    "an issuer whose clock is ahead (nbf)": { claims: () => ({ nbf: soon() }), ...EARLY, detail: "token_not_yet_valid", mend: "auth.leeway" },
    "an issuer whose clock is ahead (iat)": { claims: () => ({ iat: soon() }), ...EARLY, detail: "token_issued_in_future" },
    "another issuer": { claims: () => ({ iss: "https://id.example.com/" }), config: { issuer: "https://id.example.com" }, detail: "token_issuer" },
    "another audience": { claims: () => ({ aud: "billing" }), config: { audience: "app" }, detail: "token_audience" },
    "another secret": { secret: "x".repeat(32), detail: "token_signature" },
    "no end": { claims: () => ({ exp: undefined }), detail: "token_without_expiry", mend: "auth.require_expiry" },
  };
  for (const [what, { claims = () => ({}), secret, config = {}, reason = "token_invalid", detail, mend }] of Object.entries(BAD)) {
    test(`a token of ${what}`, async () => {
      await stage.gate.reload({ auth: config });
      const token = mint("ana", { claims: claims(), secret });
      await refusal(stage, { ...WAYS.polling, token });
      await page.log(stage.gate, `refusal=${reason}`, `detail=${detail}`);
      if (detail.endsWith("valid") || secret) await page.metric(stage.gate, `sockgate_refusals_total{reason="${reason}"}`);
      if (!mend) return;
      await stage.gate.reload(page.setting(mend));
      assert.ok(await stage.client({ ...WAYS.polling, token }));
    });
  }
});

symptom("403 with a good token", (page) => {
  const PAGE = "https://app.example.com";
  let stage;
  before(async () => {
    const config = { auth: { required: { status: "active" } }, origin: { csrf_cookie: "csrf", allow: [PAGE] } };
    stage = await Stage.open({ apps: ["node"], config });
  });
  afterEach(() => stage.leave());
  after(() => stage.close());

  const active = (subject) => mint(subject, { claims: { status: "active" } });
  const is403 = async (reason, told) => {
    assert.match(told, /403/);
    await page.log(stage.gate, `refusal=${reason}`);
    if (reason !== "origin_refused") await page.metric(stage.gate, `sockgate_refusals_total{reason="${reason}"}`);
  };

  test("a claim that is required", async () => {
    const token = mint("ana", { claims: { status: "closed" } });
    const told = await refusal(stage, { ...WAYS.polling, token });
    page.client(told, "xhr poll error");
    await is403("claim_refused", told);
    assert.match((await run(stage.gate, "sockgate explain token -", {}, token)).text, /FAIL +required claims: .*"status"/);
    assert.ok(await stage.client({ ...WAYS.polling, token: active("ana") }));
  });

  test("a cookie alone", async () => {
    const cookies = { cookie: `token=${active("ana")}; csrf=secret`, origin: PAGE };
    const told = await refusal(stage, { ...WAYS.polling, extraHeaders: cookies });
    page.client(told, "xhr post error");
    await is403("csrf_refused", told);
    const detail = 'detail="csrf: the token came in a cookie; repeat the value of the cookie csrf in the header x-csrf-token"';
    await page.log(stage.gate, "refusal=csrf_refused", detail);
    assert.ok(await stage.client({ ...WAYS.polling, extraHeaders: { ...cookies, "x-csrf-token": "secret" } }));
  });

  test("a session of somebody else", async () => {
    const { sid } = await openSession(stage, bearer(active("ana")));
    const { status } = await engine(stage, { sid, headers: bearer(active("eve")) });
    await is403("session_subject", String(status));
    await page.log(stage.gate, "refusal=session_subject", 'detail="a session of ana was asked for with a token of eve"');
  });

  test("a page that is not allowed", async () => {
    const extraHeaders = { ...bearer(active("ana")), origin: "https://other.example.com" };
    await is403("origin_refused", await refusal(stage, { ...WAYS.polling, extraHeaders }));
  });
});

symptom("Refused once, and then silence", (page) => {
  test("an old token in an object, then a function", async () => {
    const stage = await Stage.open({ apps: ["node"], mode: "connect" });
    const client = stage.stranger({ token: mint("ana", { seconds: -3600 }) });
    let tries = 0;
    client.manager.on("reconnect_attempt", () => (tries += 1));
    const error = await client.connected.catch((error) => error);
    page.client(`${error.message}\n${JSON.stringify(error.data)}`, "The token has expired", '"code":"token_expired"');
    assert.deepEqual([client.socket.active, tries], [false, 0]);
    await page.log(stage.gate, "packet refused", "refusal=token_expired");
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="token_expired"}');

    client.socket.auth = (done) => done({ token: mint() });
    const hello = next(client.socket, "hello");
    client.socket.connect();
    await hello;
    await stage.close();
  });
});

symptom("429 for everybody", (page) => {
  test("two clients behind a proxy that is not trusted, then trusted", async () => {
    const stage = await Stage.open({ apps: ["node"], config: { limit: { handshakes_per_address: "2/1h" } } });
    const from = (address) => HttpHop.start(stage.gate, { request: (headers) => ({ ...headers, "x-forwarded-for": address }) });
    const [one, two] = await Promise.all([from("192.0.2.1"), from("192.0.2.2")]);
    const options = { ...WAYS.polling, url: two.url };

    for (let count = 0; count < 2; count += 1) await stage.client({ ...WAYS.polling, url: one.url });
    page.client(await refusal(stage, options), "xhr poll error", '"error":"address_rate"');
    const { address } = await page.log(stage.gate, "status=429", "refusal=address_rate", 'detail="limit.handshakes_per_address: …"');
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="address_rate"}');

    const mend = page.setting("listen.trusted_proxies");
    assert.deepEqual(mend.listen.trusted_proxies, [address], "the address that the line shows");
    await stage.gate.reload(mend);
    const client = await stage.client(options);
    assert.match((await client.call("whoami")).headers["x-forwarded-for"], /^192\.0\.2\.2/);
    [one, two].forEach((hop) => hop.close());
    await stage.close();
  });
});
