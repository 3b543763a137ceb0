// The debugging guide, "Pages": each symptom played in Chromium by a page on another origin, and what the guide says of the
// browser's console, the gate's log and its metrics.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { launch, Site } from "../support/browser.mjs";
import { Gate, NEEDS_GATE } from "../support/gate.mjs";
import { symptom } from "../support/guide.mjs";
import { HttpHop } from "../support/hop.mjs";
import { countHeaders, engine } from "../support/request.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";
import { until } from "../support/wait.mjs";

const POLLING = { transports: ["polling"] };
const WEBSOCKET = { transports: ["websocket"] };

// An app that answers every page with a CORS header of its own, which the gate takes away.
let stage, browser, site;
before(async () => {
  if (NEEDS_GATE.skip) return;
  [browser, site] = await Promise.all([launch(), Site.start()]);
  stage = await Stage.open({ apps: [["node", { env: { CORS: "*" } }]] });
});
after(async () => {
  await browser?.close();
  site?.close();
  await stage?.close();
});

/** A fresh page connects, with a token in the query; what it is told, and all that the console shows. */
async function visit(options, { from = site, to = stage.site, query = { token: mint() } } = {}) {
  const tab = await from.page(browser);
  const shown = [];
  tab.on("console", (line) => shown.push(line.text()));
  const answer = await tab.evaluate(([url, options]) => globalThis.connect(url, options), [to, { query, ...options }]);
  const { hello, refused, status, text } = answer;
  // The console is told apart from the page, and maybe later.
  if (!hello) await until("the console tells", () => shown.length > 0);
  await tab.context().close();
  return { hello, shown: [refused, status, text, ...shown].join("\n") };
}

const allow = (...origins) => stage.gate.reload({ origin: { allow: origins, credentials: true } });

symptom("CORS: the page is not allowed", (page) => {
  test("a page that is not in the list, until it is", async () => {
    await stage.gate.reload({});
    const { shown } = await visit(POLLING);
    const absent = "No 'Access-Control-Allow-Origin' header is present on the requested resource";
    page.client(shown, "has been blocked by CORS policy", absent, "xhr poll error");
    const detail = 'detail="port: … differs from the allowed … only in the port; if it is yours, add … to origin.allow or …"';
    await page.log(stage.gate, "status=403", "refusal=origin_refused", detail);
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="origin_refused"}');
    const [asked] = Object.values(page.setting("origin.allow").origin.allow);
    const explained = await page.command(stage.gate, "sockgate explain origin https://app.example.com", { [asked]: site.origin });
    assert.match(explained.text, /^refused \(port\).*\n.*origin\.allow/);
    await allow(site.origin);
    assert.ok((await visit(POLLING)).hello);
  });
});

symptom("CORS: the preflight is refused", (page) => {
  test("a header that is not in the list, until it is", async () => {
    await allow(site.origin);
    const options = { ...POLLING, extraHeaders: { "x-client": "1" } };
    const { shown } = await visit(options);
    page.client(shown, "Response to preflight request doesn't pass access control check: It does not have HTTP ok status");
    const detail = 'detail="preflight_header: a page asked to send the header \\"x-client\\"; if the app needs it, add it to origin.headers"';
    await page.log(stage.gate, "method=OPTIONS", "status=403", "refusal=preflight_refused", detail);
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="preflight_refused"}');
    const { headers } = page.setting("origin.headers").origin;
    await stage.gate.reload({ origin: { allow: [site.origin], headers } });
    assert.ok((await visit(options)).hello);
  });
});

symptom("CORS: the wildcard and credentials", (page) => {
  const options = { ...POLLING, withCredentials: true };

  test("a page with credentials before a gate that allows everybody without", async () => {
    await stage.gate.reload({ origin: { ...page.setting("origin.allow").origin, ...page.setting("origin.credentials").origin } });
    const { shown } = await visit(options);
    page.client(shown, "must not be the wildcard '*' when the request's credentials mode is 'include'");
    await page.log(stage.gate, "status=200");
    assert.ok((await visit(POLLING)).hello);
    await allow(site.origin);
    assert.ok((await visit(options)).hello, "the app's own wildcard came through");
  });

  test("both together are refused by a reload", async () => {
    stage.gate.rewrite({ origin: { allow: ["*"], credentials: true } });
    const why = "together with credentials lets every page on the internet act as the user who has it open";
    await page.log(stage.gate, `problem="refused: … origin.allow.0: … ${why}. …"`);
    await allow(site.origin);
  });
});

symptom("CORS: the header is there twice", (page) => {
  test("a proxy in front adds its own; straight to the gate there is one", async () => {
    const hop = await HttpHop.start(stage.gate, { answer: (headers) => twice(headers, "access-control-allow-origin") });
    const plain = await Site.start({ secure: false });
    await allow(site.origin, plain.origin);
    const { shown } = await visit(POLLING, { from: plain, to: hop.site });
    page.client(shown, "The 'Access-Control-Allow-Origin' header contains multiple values '…, …', but only one is allowed");
    await page.log(stage.gate, "status=200");
    hop.close();
    plain.close();
    const { rawHeaders } = await engine(stage, { headers: { ...bearer(mint()), origin: site.origin } });
    assert.equal(countHeaders(rawHeaders)["access-control-allow-origin"], 1);
    assert.ok((await visit(POLLING)).hello);
  });

  const twice = (headers, name) => ({ ...headers, [name]: [headers[name], headers[name]] });
});

symptom("Works with curl, not in the browser", (page) => {
  test("curl gets in, and gets what the browser gets once it says where the page is from", async () => {
    await stage.gate.reload({});
    const named = 'curl -i -H "Origin: https://app.example.com" …';
    page.shows(named);
    const url = `${stage.site}/socket.io/?EIO=4&transport=polling`;
    const curl = async (...more) => {
      const values = ["-s", "-i", ...more, "--cacert", stage.gate.caFile, "-H", `Authorization: ${bearer(mint()).authorization}`, url];
      return (await promisify(execFile)("curl", values)).stdout;
    };
    assert.match(await curl(), /^HTTP\/\S+ 200/);
    const [, origin] = /"(Origin: [^"]+)"/.exec(named);
    const refused = await curl("-H", origin);
    assert.match(refused, /^HTTP\/\S+ 403/);
    page.client(refused, '"error":"origin_refused"');
    await page.log(stage.gate, "status=403", "refusal=origin_refused");
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="origin_refused"}');
    assert.equal((await visit(POLLING)).hello, undefined);
  });
});

symptom("websocket error", (page) => {
  test("a token in the header, which a browser sends with no WebSocket", async () => {
    await allow(site.origin);
    const options = { extraHeaders: bearer(mint()) };
    const { shown } = await visit({ ...WEBSOCKET, ...options }, { query: {} });
    page.client(shown, "websocket error", "WebSocket connection to '…' failed");
    assert.doesNotMatch(shown, /token/);
    await page.log(stage.gate, "kind=websocket", "status=401", "refusal=token_absent");
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="token_absent"}');
    assert.ok((await visit(options, { query: {} })).hello, "beginning with polling");
    assert.ok((await visit(WEBSOCKET)).hello, "in the query");
    const { upstream, route } = stage.gate.config;
    const gate = await Gate.start({ upstream, route, origin: { allow: [site.origin] }, ...page.setting("auth.when") });
    assert.ok((await visit({ ...WEBSOCKET, auth: { token: mint() } }, { to: gate.site, query: {} })).hello, "in the CONNECT packet");
    await gate.stop();
  });
});
