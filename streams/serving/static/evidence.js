// Why a rule fired: nearest miss, tested values beside thresholds, guards, severity, touchpoints, and the query.

import { ask } from "./asking.js";
import { add, h } from "./dom.js";
import { table, trouble } from "./panel.js";
import { sourceButtons } from "./source.js";
import { nearestMiss, sentence, status, w } from "./words.js";

export function evidenceOf(id) {
  const box = h("div", { class: "evidence", "aria-busy": "true" }, h("p", { class: "muted" }, w("loading")));
  const load = async () => {
    try {
      const answer = await ask("friction", { friction: id });
      const [friction] = answer.records;
      box.replaceChildren();
      if (friction) add(box, parts(friction, answer));
      else box.append(w("frictions.none"));
    } catch (error) {
      box.replaceChildren(trouble(error, load));
    }
    box.setAttribute("aria-busy", "false");
  };
  load();
  return box;
}

function parts(friction, answer) {
  const evidence = readable(friction.evidence);
  const told = w("why.rule", { rule: friction.rule_id, version: String(friction.rule_version), status: status(friction.status) });
  return [
    h(
      "div",
      { class: "miss" },
      h("p", {}, h("strong", {}, w("why.miss")), ` (${w("why.miss.note")}): `, nearestMiss(friction) || "–"),
      h("p", { class: "muted" }, told, " ", sourceButtons(answer, sentence(friction))),
      w("why.english") && h("p", { class: "muted" }, w("why.english")),
    ),
    checks(w("why.checks"), evidence.checks),
    checks(w("why.guards"), evidence.guards),
    checks(w("why.severity"), evidence.severity_parts),
    h(
      "div",
      {},
      h("h3", {}, w("why.touchpoints")),
      h("ul", { class: "keys" }, (evidence.touchpoints ?? []).map((key) => h("li", {}, h("code", {}, key)))),
    ),
  ];
}

function readable(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function checks(title, found) {
  if (!found?.length) return null;
  return h(
    "div",
    {},
    h("h3", {}, title),
    table(
      title,
      [
        { title: w("why.name"), cell: (check) => check.name.replaceAll("_", " ") },
        { title: w("why.value"), cell: (check) => check.value },
        { title: w("why.threshold"), cell: (check) => check.threshold },
        { title: w("why.holds"), cell: (check) => h("span", { class: check.passed ? "holds" : "fails" },
          check.passed ? `✓ ${w("yes")}` : `– ${w("no")}`) },
      ],
      found,
      { class: "checks" },
    ),
  );
}
