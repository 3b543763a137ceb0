// The page: log in (the app answers with a cookie that this script cannot read), join a room, share. Nothing here knows of
// the gate; it is where the page came from.

import { Room } from "./share.js";

const by = (id) => document.getElementById(id);
let socket, room, joined;

by("login").onsubmit = act(async () => {
  const body = JSON.stringify({ name: by("name").value, password: by("password").value });
  const answer = await fetch("/login", { method: "POST", headers: { "content-type": "application/json" }, body });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error ?? answer.status);
  tell(`logged in as ${said.name}`);
});

by("door").onsubmit = act(async () => {
  socket ??= connect();
  joined = [by("room").value, by("passphrase").value];
  if (socket.connected) await join();
});

by("talk").onsubmit = act(async () => {
  const text = by("text").value;
  await room.text(text);
  tell(`me: ${text}`);
  by("text").value = "";
});

by("give").onsubmit = act(async () => {
  const [file] = by("file").files;
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (by("whole").checked) {
    await room.whole(file.name, bytes);
  } else {
    const line = tell("");
    await room.file(file.name, bytes, (share) => (line.textContent = `sending ${file.name}: ${Math.round(share * 100)} %`));
  }
  tell(`shared ${file.name}, ${bytes.length} bytes`);
});

function connect() {
  const socket = globalThis.io({ path: "/socket.io/" });
  room = new Room(socket);
  room.listen(show);
  // Also after a reconnection: the new session is another socket, perhaps on another instance, and sits in no room yet.
  socket.on("connect", act(join));
  socket.on("welcome", ({ name, address }) => tell(`connected as ${name} from ${address}`));
  socket.on("joined", ({ member }) => tell(`${member} has joined`));
  socket.on("disconnect", (reason) => {
    by("share").disabled = true;
    tell(`disconnected: ${reason}`);
  });
  socket.on("connect_error", (error) => tell(`not connected: ${why(error)}`));
  return socket;
}

async function join() {
  if (!joined) return;
  const { members } = await room.join(...joined);
  by("share").disabled = false;
  tell(`joined ${joined[0]}, ${members} here`);
}

function show(content) {
  if (content.kind === "text") return tell(`${content.from}: ${content.text}`);
  const line = tell(`${content.from} shares ${content.size} bytes, ${content.intact ? "intact" : "DAMAGED"}: `);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content.bytes]));
  link.download = link.textContent = content.name;
  line.append(link);
}

/** What a refusal says: in JSON on polling; a browser hides the answer to a WebSocket. */
function why(error) {
  const text = error.context?.responseText;
  return text ? `${JSON.parse(text).error}: ${JSON.parse(text).message}` : error.message;
}

function act(deed) {
  return (event) => {
    event?.preventDefault?.();
    deed().catch((error) => tell(`refused: ${error.code ?? ""} ${error.message}`));
  };
}

function tell(text) {
  const line = document.createElement("li");
  line.textContent = text;
  by("log").append(line);
  return line;
}
