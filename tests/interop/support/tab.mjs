// One tab of Chromium, driven by the DevTools protocol alone. Playwright keeps every page in front and awake; a tab that is not
// helped so can be put behind another and frozen, as browsers do to tabs that nobody looks at.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { Program } from "./program.mjs";
import { next, until, within } from "./wait.mjs";

export class Tab {
  #number = 0;
  #asked = new Map();

  /** Starts Chromium and opens `url`. */
  static async open(url) {
    const tab = new Tab();
    tab.folder = mkdtempSync(join(tmpdir(), "sockgate-tab-"));
    let found;
    const door = new Promise((done) => (found = done));
    const values = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
    const more = ["--disable-background-networking", "--remote-debugging-port=0", `--user-data-dir=${tab.folder}`, "about:blank"];
    tab.program = new Program("Chromium", process.env.CHROMIUM ?? "/usr/bin/chromium", [...values, ...more], {
      heard: (line) => line.startsWith("DevTools listening on ") && found(line.split(" ").at(-1)),
    });
    try {
      tab.line = new WebSocket(await tab.program.ready(door));
      tab.line.on("message", (text) => tab.#hear(JSON.parse(text)));
      await next(tab.line, "open");
      [tab.target, tab.session] = await tab.#create(url);
    } catch (error) {
      await tab.close();
      throw error;
    }
    return tab;
  }

  /** The value of an expression in the page. */
  async evaluate(expression) {
    const asked = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", asked, this.session);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Puts the tab behind another and stops everything in it. */
  async freeze() {
    const [behind] = await this.#create("about:blank");
    await this.#send("Target.activateTarget", { targetId: behind });
    await this.#send("Page.setWebLifecycleState", { state: "frozen" }, this.session);
  }

  /** Lets it go on, in front again. */
  async thaw() {
    await this.#send("Page.setWebLifecycleState", { state: "active" }, this.session);
    await this.#send("Target.activateTarget", { targetId: this.target });
  }

  async close() {
    this.line?.terminate();
    await this.program.kill();
    // Its children end a moment later, and write until then.
    await until("its folder is gone", () => {
      try {
        rmSync(this.folder, { recursive: true, force: true });
        return true;
      } catch {
        return false;
      }
    });
  }

  async #create(url) {
    const { targetId } = await this.#send("Target.createTarget", { url });
    const { sessionId } = await this.#send("Target.attachToTarget", { targetId, flatten: true });
    return [targetId, sessionId];
  }

  #send(method, params, sessionId) {
    this.#number += 1;
    const id = this.#number;
    const answer = new Promise((done, fail) => this.#asked.set(id, { done, fail }));
    this.line.send(JSON.stringify({ id, method, params, sessionId }));
    return within(`Chromium to answer ${method}`, answer);
  }

  #hear({ id, result, error }) {
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    if (error) asked.fail(new Error(error.message));
    else asked.done(result);
  }
}
