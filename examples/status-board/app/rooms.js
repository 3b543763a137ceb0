// The live side: four namespaces, which a page joins on one connection.
//
//   /         a user's own notifications, in the room user:<id>
//   /status   the board: one room for each service
//   /media    the picture on the wall screen
//   /youtube  the queue of videos of the wall screen
//
// Who somebody is comes from the headers of the handshake. The gate sets them from the token it has judged.

const NAMESPACES = ["/", "/status", "/media", "/youtube"];
const YOUTUBE = /^https:\/\/(?:www\.youtube\.com\/watch\?v=|youtu\.be\/)([\w-]{11})$/;
const QUEUE = 20;

export function openRooms(io, { board, inbox, users }) {
  const [own, status, media, youtube] = NAMESPACES.map((name) => io.of(name).use(identify));

  own.on("connection", (socket) => {
    const { id } = socket.data.user;
    on(socket, "subscribe:notifications", () => {
      socket.join(`user:${id}`);
      return { unread: inbox.unread(id) };
    });
    on(socket, "notification:read", (notification) => {
      if (!inbox.markRead(id, notification)) throw new Error("there is no such notification");
      // The other pages of the same user.
      socket.to(`user:${id}`).emit("notification:read", notification);
      return { unread: inbox.unread(id).length };
    });
  });

  status.on("connection", (socket) => {
    on(socket, "subscribe:status", (names) => {
      const shown = board.show(list(names));
      socket.join(shown.map(({ name }) => `status:${name}`));
      return { services: shown };
    });
    on(socket, "unsubscribe:status", (names) => {
      board.show(list(names)).forEach(({ name }) => socket.leave(`status:${name}`));
      return { rooms: [...socket.rooms].filter((room) => room.startsWith("status:")) };
    });
    // Only admins: the gate says so, in sockgate.toml.
    on(socket, "admin:refresh-status", async () => {
      await board.refresh();
      return { services: board.show() };
    });
  });

  let picture = null;
  media.on("connection", (socket) => {
    on(socket, "media:now", () => picture);
    on(socket, "media:show", (title) => {
      picture = { title: text(title), by: socket.data.user.id };
      media.emit("media:now", picture);
      return picture;
    });
  });

  const queue = [];
  youtube.on("connection", (socket) => {
    on(socket, "youtube:queue", () => queue);
    on(socket, "youtube:add", (url) => {
      const video = YOUTUBE.exec(text(url))?.[1];
      if (!video) throw new Error("that is no address of a YouTube video");
      if (queue.length === QUEUE) throw new Error("the queue is full");
      queue.push({ video, by: socket.data.user.id });
      youtube.emit("youtube:queue", queue);
      return { position: queue.length };
    });
  });

  board.on("change", (service, before) => {
    console.log(`change ${service.name} ${service.state}`);
    status.to(`status:${service.name}`).emit("status:update", service);
    if (before === "unknown") return;
    for (const owner of users.ownersOf(service.name)) {
      const notification = inbox.add(owner, `${service.name} is ${service.state}`);
      own.to(`user:${owner}`).emit("notification", notification);
    }
  });

  for (const namespace of [own, status, media, youtube]) {
    namespace.on("connection", (socket) => {
      const { user } = socket.data;
      const by = `${namespace.name} ${user.id}`;
      console.log(`join ${by} (${user.roles})`);
      socket.join(`account:${user.id}`);
      socket.onAny((event) => console.log(`event ${by} ${event}`));
      socket.on("disconnect", (reason) => console.log(`leave ${by} ${reason}`));
    });
  }
}

/** Ends every connection of a user. */
export function dismiss(io, id) {
  for (const name of NAMESPACES) io.of(name).in(`account:${id}`).disconnectSockets(true);
}

function identify(socket, next) {
  const { "x-auth-subject": id, "x-auth-roles": roles = "" } = socket.handshake.headers;
  if (!id) return next(new Error("Come through the gate"));
  socket.data.user = { id, roles };
  next();
}

// `socket.on` for people who send what they like: with or without an acknowledgement, with any arguments. A handler returns
// what the acknowledgement says, or throws. The error has the shape of the gate's, so that a page reads one of them only.
function on(socket, event, handle) {
  socket.on(event, async (...values) => {
    const answer = typeof values.at(-1) === "function" ? values.pop() : () => {};
    try {
      answer(await handle(...values));
    } catch ({ message }) {
      answer({ error: { code: "bad_request", message } });
    }
  });
}

function list(names) {
  if (names === undefined || names === null) return undefined;
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) throw new Error("a list of names is wanted");
  return names;
}

function text(value) {
  if (typeof value !== "string" || value.length === 0 || value.length > 200) throw new Error("a text is wanted");
  return value;
}
