// Each user's own notifications, the last hundred of them, read and unread.

import { randomUUID } from "node:crypto";

const KEPT = 100;

export class Inbox {
  #users = new Map();

  add(user, text) {
    const notification = { id: randomUUID(), text, at: new Date().toISOString(), read: false };
    this.#users.set(user, [...this.all(user), notification].slice(-KEPT));
    return notification;
  }

  all(user) {
    return this.#users.get(user) ?? [];
  }

  unread(user) {
    return this.all(user).filter((notification) => !notification.read);
  }

  /** Whether there was such a one, of this user. */
  markRead(user, id) {
    const found = this.all(user).find((notification) => notification.id === id);
    if (found) found.read = true;
    return Boolean(found);
  }
}
