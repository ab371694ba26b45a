// What to do when there is nothing yet.

import { h } from "./dom.js";
import { w } from "./words.js";

const MADE_UP = `journeys generate --persons 300 --events 10000 --seed 7 --out events.jsonl
journeys produce events.jsonl
journeys wait`;
const OWN = "journeys produce my-events.jsonl";

export function emptiness(again) {
  return h(
    "section",
    { class: "panel wide empty", "aria-labelledby": "empty-title" },
    h("h2", { id: "empty-title" }, w("empty.title")),
    h("p", {}, w("empty.text")),
    h("pre", { tabindex: "0" }, MADE_UP),
    h("p", {}, w("empty.own")),
    h("pre", { tabindex: "0" }, OWN),
    h("p", {}, w("empty.demo")),
    h("button", { type: "button", onclick: again }, w("empty.again")),
  );
}
