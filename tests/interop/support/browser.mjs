// Chromium (Debian's, driven by playwright-core), and pages on an origin of their own that connect through the gate.
// A page holds nothing but socket.io-client; tests run their script in it.
//
// Before the gate pages come by https, as they do in life: for a browser a page by http is another *site* than the gate,
// and it keeps cookies from other sites.

import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { BINARY } from "./gate.mjs";
import { next } from "./wait.mjs";

const LIBRARY = fileURLToPath(new URL("../node_modules/socket.io-client/dist/socket.io.min.js", import.meta.url));
const HTML = `<!doctype html><meta charset="utf-8"><title>A page elsewhere</title><script src="/socket.io.min.js"></script>`;
const PAGE = { "index.html": HTML, "socket.io.min.js": readFileSync(LIBRARY) };

/** Starts Chromium. It makes no connections of its own accord, and takes the gate's home-made certificate if `trusting`. */
export function launch({ trusting = true } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...(trusting ? ["--ignore-certificate-errors"] : []),
    ],
  });
}

/** A web server on an origin of its own, with nothing but the page. */
export class Site {
  static async start({ secure = Boolean(BINARY), files = PAGE } = {}) {
    const site = new Site();
    const create = secure ? (serve) => createTlsServer(certificate(), serve) : createServer;
    site.server = create((request, answer) => {
      const name = basename(new URL(request.url, "http://localhost").pathname) || "index.html";
      answer.statusCode = files[name] ? 200 : 404;
      answer.setHeader("Content-Type", name.endsWith(".js") ? "text/javascript" : "text/html");
      answer.end(files[name]);
    });
    site.server.listen(0, "127.0.0.1");
    await next(site.server, "listening");
    site.origin = `${secure ? "https" : "http"}://localhost:${site.server.address().port}`;
    return site;
  }

  /** A fresh page of this site: no cookies, no connections of other pages. */
  async page(browser) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(this.origin);
    await page.evaluate(inPage);
    return page;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

// A certificate that nobody signed; the browser here takes any.
function certificate() {
  const folder = mkdtempSync(join(tmpdir(), "sockgate-page-"));
  try {
    const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
    const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    execFileSync("openssl", [...kind, "-subj", "/CN=localhost", "-keyout", key, "-out", cert], { stdio: "pipe" });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// What scripts in the page can use: `connect`, `call`, and the socket that `connect` opened last as `socket`.
function inPage() {
  const { io } = globalThis;

  globalThis.connect = (url, options) => {
    const socket = io(url, { forceNew: true, reconnection: false, ...options });
    globalThis.socket = socket;
    return new Promise((done) => {
      socket.once("hello", (hello) => done({ hello, session: socket.io.engine.id }));
      socket.once("connect_error", (error) => {
        const asked = error.context instanceof XMLHttpRequest ? error.context : {};
        const { status, responseText } = asked;
        done({ refused: error.message, status, text: responseText, retryAfter: asked.getResponseHeader?.("retry-after") });
      });
    });
  };

  globalThis.travels = async (name) => {
    const { engine } = globalThis.socket.io;
    for (const end = Date.now() + 10_000; Date.now() < end; ) {
      if (engine.transport.name === name && !engine.upgrading) return true;
      await new Promise((done) => setTimeout(done, 20));
    }
    return false;
  };

  globalThis.call = (event, ...values) => globalThis.socket.timeout(10_000).emitWithAck(event, ...values);

  // What a page can learn of an answer.
  globalThis.read = async (url, options) => {
    try {
      const answer = await fetch(url, options);
      const text = await answer.text();
      return { status: answer.status, text, retryAfter: answer.headers.get("retry-after") };
    } catch (error) {
      return { hidden: error.name };
    }
  };
}
