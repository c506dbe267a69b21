// Calls somebody who does not look: a sound, a notice on the desktop, the number in the tab's title.

import { word } from "../page/wording.js";

export class AlertCalls {
  constructor(board, sound, button) {
    this.board = board;
    this.sound = sound;
    this.button = button;
    this.title = document.title;
    button.addEventListener("click", async () => {
      await Notification.requestPermission();
      this.offer();
    });
    this.offer();
  }

  // The button is there while the browser has not been asked yet.
  offer() {
    const permission = window.Notification?.permission;
    this.button.hidden = permission !== "default";
  }

  call(alert, text) {
    this.sound.play(alert.severity);
    if (document.hasFocus() || window.Notification?.permission !== "granted") return;
    try {
      const notice = new Notification(word("app.name"), {
        body: text, tag: alert.feature.id, lang: document.documentElement.lang,
        icon: "/static/icon.svg",
      });
      notice.addEventListener("click", () => {
        window.focus();
        this.board.select(alert.feature.id);
        notice.close();
      });
    } catch (error) {
      console.info("no notice:", error.message); // a phone's browser shows none this way
    }
  }

  count(unread) {
    const title = unread > 0 ? `(${unread}) ${this.title}` : this.title;
    if (document.title !== title) document.title = title;
  }
}
