// The public page of the auction. It is served from one origin and talks to another, where the ingress is: REST by fetch,
// the room by Socket.IO, both with the cookie that the login gave.

const door = new URLSearchParams(location.search).get("door") ?? "http://localhost:8080";
const by = (id) => document.getElementById(id);
const tell = (line) => (by("log").textContent = `${line}\n${by("log").textContent}`);
let socket, lot;

by("origin").textContent = location.origin;
by("door").textContent = door;

by("enter").onsubmit = async (event) => {
  event.preventDefault();
  socket?.disconnect();
  try {
    const name = by("name").value;
    await ask("/api/login", { method: "POST", body: JSON.stringify({ name }), headers: { "content-type": "application/json" } });
    const items = await ask("/api/items");
    tell(`for sale: ${items.map((item) => item.name).join(", ")}`);
    enter();
  } catch (error) {
    // A browser does not tell a page why it may not read an answer. The gate's log does.
    tell(`not let in: ${error.message}`);
  }
};

by("offer").onsubmit = async (event) => {
  event.preventDefault();
  const amount = by("amount").valueAsNumber;
  const answer = await socket.emitWithAck("bid", lot, amount);
  // The app's error is a text, the gate's an object with code, message and hint.
  if (answer.error) tell(`${amount} is refused: ${answer.error.message ?? answer.error}`);
};

async function ask(path, options) {
  const answer = await fetch(`${door}${path}`, { credentials: "include", ...options });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function enter() {
  socket = io(door, { path: "/api/socket.io/", withCredentials: true });
  const travels = () => (by("transport").textContent = socket.io.engine.transport.name);
  // Each connection has an engine of its own, which begins with polling and has often upgraded before the app lets us in.
  socket.io.on("open", () => {
    tell(`connected by ${travels()}`);
    socket.io.engine.once("upgrade", () => tell(`upgraded to ${travels()}`));
  });
  socket.on("connect_error", (error) => tell(`not connected: ${error.context?.responseText || error.message}`));
  socket.on("disconnect", (reason) => tell(`disconnected: ${reason}`));

  socket.on("sale", ({ you, name, least, left }) => {
    tell(`you are ${you}`);
    call(name, least, left);
  });
  socket.on("called", ({ lot, least, left }) => call(lot, least, left));
  socket.on("tick", ({ left }) => (by("left").textContent = left));
  socket.on("bid", ({ lot, by: who, amount, least }) => {
    tell(`${who} bids ${amount} for the ${lot}`);
    by("amount").value = least;
  });
  socket.on("sold", ({ lot, by: who, amount }) => tell(who ? `the ${lot} goes to ${who} for ${amount}` : `nobody wants the ${lot}`));
}

function call(name, least, left) {
  lot = name;
  by("lot").textContent = name;
  by("left").textContent = left;
  by("amount").value = least;
  by("offer").querySelector("button").disabled = false;
}
