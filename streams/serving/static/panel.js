// A part of a view: heading, where it comes from, and what it shows, or why it cannot.

import { ask } from "./asking.js";
import { add, h, sized } from "./dom.js";
import { sourceButtons } from "./source.js";
import { w } from "./words.js";

let count = 0;

/**
 * A section that asks and then shows. `show(answer)` returns elements for the box, or promises them.
 * Options: `title`, `note` (text or function of the answer), `question`, `given`, `wide`, `signal`.
 */
export function panel({ title, note = "", question, given = {}, wide = false, signal }, show) {
  const id = `panel-${(count += 1)}`;
  const tools = h("div", { class: "panel-tools" });
  const said = h("p", { class: "note" });
  const box = h("div", { class: "panel-box" });
  const section = h(
    "section",
    { class: wide ? "panel wide" : "panel", "aria-labelledby": id, "aria-busy": "true", "data-question": question },
    h("div", { class: "panel-head" }, h("h2", { id }, title), tools),
    said,
    box,
  );
  const load = async () => {
    section.setAttribute("aria-busy", "true");
    try {
      const answer = await ask(question, given, signal);
      const shown = await show(answer);
      said.textContent = typeof note === "function" ? note(answer) : note;
      said.hidden = !said.textContent;
      tools.replaceChildren(sourceButtons(answer, title));
      box.replaceChildren();
      add(box, shown ?? []);
      section.setAttribute("aria-busy", "false");
    } catch (error) {
      if (error.name === "AbortError") return;
      said.hidden = true;
      box.replaceChildren(trouble(error, load));
      section.setAttribute("aria-busy", "false");
    }
  };
  section.loaded = load();
  return section;
}

/** What went wrong, what to do, and a button to try again. */
export function trouble(error, again = null) {
  const message = error.message === "unreachable" ? w("trouble.unreachable") : error.message;
  const advice = error.message === "unreachable" ? w("trouble.unreachable.advice") : error.advice;
  return h(
    "div",
    { class: "trouble", role: "alert" },
    h("p", {}, h("strong", {}, w("trouble.title"))),
    h("p", {}, message),
    advice && h("p", { class: "muted" }, advice),
    again && h("button", { type: "button", onclick: again }, w("trouble.again")),
  );
}

/** Something drawn to the width there is, and with `fills` to the height that the panel beside it leaves as well. */
export function drawn(draw, { fills = false } = {}) {
  return sized(h("div", { class: fills ? "drawing fills" : "drawing" }), draw, { fills });
}

/** A table: `columns` are `{title, cell(row), number?}`; the first column is the header of its row. */
export function table(caption, columns, rows, options = {}) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      { class: options.class },
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.number && "number" }, column.title)))),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            columns.map((column, index) =>
              index === 0
                ? h("th", { scope: "row" }, column.cell(row))
                : h("td", { class: column.number && "number" }, column.cell(row)),
            ),
          ),
        ),
      ),
    ),
  );
}

/** The same as a table that is folded away under a picture. */
export function asTable(caption, columns, rows, { summary = w("as-table"), open = false } = {}) {
  return h("details", { class: "as-table", open }, h("summary", {}, summary), table(caption, columns, rows));
}
