// The account of this page: the token that the app has given, kept for this tab, and renewed before it ends.

const KEPT_AS = "status-board-token";

export class Account {
  #gate;
  #timer;

  constructor(gate) {
    this.#gate = gate;
  }

  get token() {
    return sessionStorage.getItem(KEPT_AS);
  }

  /** Fails with what the app or the gate has said. */
  async login(user, password) {
    this.#keep(await this.#post("/api/login", {}, { user, password }));
  }

  /** Asks for another one now, and so knows how long that is good. */
  async renew() {
    this.#keep(await this.#post("/api/token", { authorization: `Bearer ${this.token}` }));
  }

  forget() {
    clearTimeout(this.#timer);
    sessionStorage.removeItem(KEPT_AS);
  }

  #keep({ token, lasts }) {
    sessionStorage.setItem(KEPT_AS, token);
    clearTimeout(this.#timer);
    // A failure changes nothing: the old one is good for a while, and the next try comes in half a minute.
    const again = () => this.renew().catch(() => (this.#timer = setTimeout(again, 30_000)));
    this.#timer = setTimeout(again, lasts * 800);
  }

  async #post(path, headers, body) {
    const answer = await fetch(`${this.#gate}${path}`, {
      method: "POST",
      credentials: "include",
      headers: { "content-type": "application/json", ...headers },
      body: body && JSON.stringify(body),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.message ?? told.error);
    return told;
  }
}
