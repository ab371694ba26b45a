// Puts the page together: what the hash names is shown, in the language and the colours that were chosen.

import { ask, askPlace } from "./asking.js";
import { add, h } from "./dom.js";
import { emptiness } from "./emptiness.js";
import { frictions } from "./frictions.js";
import { overview } from "./overview.js";
import { trouble } from "./panel.js";
import { pipeline } from "./pipeline.js";
import { hashOf, here, PERIODS, VIEWS } from "./place.js";
import { setPlace } from "./source.js";
import { timeline } from "./timeline.js";
import { day, LANGUAGES, speak, spoken, w } from "./words.js";

const SHOWN = { overview, frictions, timeline, pipeline };
/** How long it is believed how far the data reaches: who clicks through the views need not wait for it each time. */
const SPAN_HOLDS_MS = 30_000;
const THEMES = ["system", "light", "dark"];
const main = document.getElementById("main");

let running = new AbortController();
let span = null;
let spanAt = -Infinity;
let server = null;

function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage may be forbidden; then it holds for this visit.
  }
}

/** Go to a place; the history can go back to where the reader was. */
function go(place) {
  const hash = hashOf(place);
  if (hash !== location.hash) location.hash = hash;
}

async function show({ isNewView = false } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const place = here();
  const focused = focusPath();
  const title = h("h1", {}, w(`title.${place.view}`));
  const period = h("p", { class: "period", "aria-busy": "true" });
  frame(place);
  // A view asks at once: how far the data reaches comes beside its answers, and not before them.
  const reach = reached(signal);
  const view = SHOWN[place.view](place, { signal, span: reach, go });
  main.replaceChildren(title, period, view);
  if (isNewView) main.focus({ preventScroll: false });
  else restoreFocus(focused);
  try {
    const span = await reach;
    if (signal.aborted) return;
    period.setAttribute("aria-busy", "false");
    if (span.touchpoints) period.textContent = periodText(place, span);
    else if (place.view === "pipeline") period.remove();
    else {
      running.abort();
      main.replaceChildren(title, emptiness(() => show()));
    }
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    running.abort();
    main.replaceChildren(title, trouble(error, () => show()));
  }
}

/** How far the data reaches, as it was told lately, or else asked anew. */
async function reached(signal) {
  if (!span?.touchpoints || performance.now() - spanAt > SPAN_HOLDS_MS) {
    [span] = (await ask("span", {}, signal)).records;
    spanAt = performance.now();
  }
  return span;
}

function periodText(place, span) {
  const until = day(span.newest_event_at);
  return place.days
    ? w("period.said", { days: w(`days.${place.days}`), until })
    : w("period.all", { from: day(span.oldest_event_at), until });
}

/** What names the control that has the focus, so that it has it again after it was drawn anew. */
function focusPath() {
  const { activeElement: active } = document;
  const name = active?.dataset?.focus ?? active?.name;
  return name ? { name, at: active.selectionStart } : null;
}

function restoreFocus(focused) {
  const name = focused && CSS.escape(focused.name);
  const control = name && document.querySelector(`[name="${name}"], [data-focus="${name}"]`);
  if (!control) return;
  control.focus();
  if (focused.at !== null && focused.at !== undefined && control.setSelectionRange) control.setSelectionRange(focused.at, focused.at);
}

function frame(place) {
  document.title = `${w(`view.${place.view}`)} – customer journeys`;
  document.getElementById("skip").textContent = w("skip");
  const views = document.getElementById("views");
  views.setAttribute("aria-label", w("views"));
  views.replaceChildren(...VIEWS.map((view) =>
    h("a", { href: hashOf({ view, days: place.days }), "aria-current": view === place.view ? "page" : null }, w(`view.${view}`))));
  foot();
  document.getElementById("tools").replaceChildren(
    h("div", { class: "periods", role: "group", "aria-label": w("period") }, PERIODS.map((days) =>
      h("a", { href: hashOf({ ...place, days, filters: { ...place.filters, page: "" } }), "data-focus": `days-${days}`,
        "aria-current": days === place.days ? "true" : null }, w(`days.${days}`)))),
    choice("language", Object.entries(LANGUAGES), spoken(), (chosen) => {
      remember("language", chosen);
      speak(chosen);
      show();
    }),
    choice("theme", THEMES.map((theme) => [theme, w(`theme.${theme}`)]), document.documentElement.dataset.theme ?? "system", paint),
  );
}

function foot() {
  if (!server) return;
  document.getElementById("foot").replaceChildren(
    h("span", {}, w("foot.where", { database: server.database })),
    h("span", {}, w("foot.version", { version: server.version })),
  );
}

function choice(name, options, chosen, change) {
  return h(
    "label",
    {},
    h("span", { class: "unseen" }, w(name)),
    h("select", { name, title: w(name), onchange: (event) => change(event.target.value) },
      options.map(([value, text]) => h("option", { value, selected: value === chosen }, text))),
  );
}

function paint(theme) {
  remember("theme", theme);
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

async function begin() {
  speak(remembered("language") ?? navigator.language.slice(0, 2));
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault(); // The hash says where the reader is; it must not become `#main`.
    main.focus();
    main.scrollIntoView();
  });
  let shown = here().view + here().key;
  window.addEventListener("hashchange", () => {
    const now = here().view + here().key;
    const isNewView = now !== shown;
    shown = now;
    show({ isNewView });
  });
  const place = askPlace().then(
    (found) => {
      setPlace(found);
      server = found;
      foot();
    },
    () => undefined, // The view says that nobody answers.
  );
  await Promise.all([show(), place]);
}

begin();
