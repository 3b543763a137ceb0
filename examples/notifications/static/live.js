// The live connection of the page: one session with the namespace of users, for admins also theirs. It begins by polling and
// goes over to WebSocket where that is let through; after a pause of any kind (a suspended tab, a lost network, a restart) it
// asks for what came since the last id it has.

const { Manager } = globalThis.io;

export class Live extends EventTarget {
  // The newest id up to which nothing is missing, and the newest there is.
  #last = 0;
  #highest = 0;
  #isCaughtUp = false;
  #arrivals = 0;
  #seen = new Set();

  /** `url` is where Socket.IO is reached, `csrf` what the server wants repeated on requests that a cookie carries. */
  constructor(url, csrf) {
    super();
    this.manager = new Manager(url, {
      withCredentials: true,
      extraHeaders: { "X-CSRF-Token": csrf },
      reconnectionDelayMax: 3000,
      autoConnect: false,
    });
    this.user = this.manager.socket("/user");
    this.manager.on("open", () => this.#open());
    this.user.on("connect", () => this.#arrive());
    this.user.on("disconnect", (reason) => this.#leave(reason));
    this.user.on("connect_error", (error) => this.#refused(error));
    for (const event of ["notification", "admin:notification"]) this.user.on(event, (note) => this.#receive(event, note));
    this.user.on("read", (ids) => this.#tell("read", ids));
    for (const moment of ["online", "pageshow"]) addEventListener(moment, () => this.#wake(moment));
    for (const moment of ["resume", "visibilitychange"]) {
      document.addEventListener(moment, () => document.visibilityState === "visible" && this.#wake(moment));
    }
  }

  connect() {
    this.user.connect();
  }

  /** Joins the namespace of admins on the same session. */
  joinAdmin() {
    const admin = this.manager.socket("/admin");
    admin.on("connect", () => this.#tell("admin", "joined /admin"));
    admin.on("online", (names) => this.#tell("online", names));
    admin.on("connect_error", (error) => this.#tell("admin", `/admin: ${error.message} (${error.data?.code})`));
    admin.connect();
  }

  read(ids) {
    this.user.emit("read", ids);
  }

  close() {
    this.manager.reconnection(false);
    this.manager._close();
  }

  // Each connection has an engine of its own.
  #open() {
    const { engine } = this.manager;
    this.#tell("state", `connected by ${engine.transport.name}`);
    engine.once("upgrade", (transport) => this.#tell("state", `upgraded to ${transport.name}`));
    engine.once("upgradeError", () => this.#tell("state", "WebSocket is blocked here; going on by polling"));
  }

  async #arrive() {
    this.#arrivals += 1;
    const missed = await this.#catchUp();
    if (this.#arrivals > 1 && missed !== undefined) this.#tell("state", `back again: ${missed} missed`);
  }

  #leave(reason) {
    this.#isCaughtUp = false;
    this.#tell("state", `disconnected: ${reason}`);
  }

  // A pause may have ended the session without a word: ask, and begin anew when nobody answers.
  async #wake(moment) {
    if (!this.user.connected) return;
    const { engine } = this.manager;
    this.#tell("state", `awake (${moment})`);
    if ((await this.#catchUp()) === undefined && engine === this.manager.engine) engine.close();
  }

  // How many came that were not here yet; undefined when there was no answer. New ones may arrive before the missed ones, so
  // `#last` moves with the acknowledgement, which comes after them all, and from then on with each that arrives.
  async #catchUp() {
    const before = this.#seen.size;
    try {
      await this.user.timeout(5000).emitWithAck("since", this.#last);
    } catch {
      return undefined;
    }
    this.#isCaughtUp = true;
    this.#last = this.#highest;
    return this.#seen.size - before;
  }

  #receive(event, note) {
    if (this.#seen.has(note.id)) return;
    this.#seen.add(note.id);
    this.#highest = Math.max(this.#highest, note.id);
    if (this.#isCaughtUp) this.#last = this.#highest;
    this.#tell("notification", { ...note, isForAdmins: event.startsWith("admin:") });
  }

  // The answer to a refused request says why; a namespace that is refused brings the reason with it.
  #refused(error) {
    const status = error.context?.status;
    const reason = readJson(error.context?.responseText);
    const code = error.data?.code ?? reason?.code;
    this.#tell("state", `not connected: ${reason?.message ?? error.message}${code ? ` (${code})` : ""}`);
    if (status === 401) this.#tell("loggedOut");
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
