// How much the gate is told to do. The same session suites hold in each mode: a client that may do what it does must not
// notice whether its packets are carried, judged, or let in by the token of its CONNECT.

import { BINARY } from "./gate.mjs";

export const MODES = {
  plain: {},
  judged: {
    socketio: { judge: "always" },
    // Rules that none of the suites runs into, so that every packet of both sides is read for them.
    access: {
      rule: [
        { join: ["/closed-*"], deny: true },
        { send: ["admin:*"], needs: { roles: ["admin"] } },
        { receive: ["admin:*"], needs: { roles: ["admin"] } },
      ],
    },
    limit: { event: [{ events: ["*"], rate: "100000/1s burst 100000" }] },
  },
  connect: { auth: { when: "connect" } },
};

const wanted = process.env.MODES?.split(",") ?? Object.keys(MODES);
/** Those that are run: without a gate nobody judges. `MODES=plain,judged` leaves out the others. */
export const modes = BINARY ? wanted : ["plain"];

/** What a suite is called, so that the table at the end of a run (support/table.mjs) knows where it belongs. */
export function title({ client, app, mode, http = "HTTP/1.1" }) {
  return `${client} before ${app}, ${mode}, ${http}`;
}

/** A name that `title` gave, taken apart. */
export const TITLE = /^(?<client>.+) before (?<app>[\w-]+), (?<mode>\w+), (?<http>HTTP\/[\d.]+)$/;
