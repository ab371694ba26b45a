// Where the reader is: view, period and filters, all in the URL's hash, so that a view can be shared as a link.

export const VIEWS = ["overview", "frictions", "timeline", "pipeline"];
export const PERIODS = [7, 28, 90, 0];
const DEFAULT_DAYS = 28;

/** The place that a hash names; what it does not name has its default. */
export function placeOf(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view = "", key = ""] = path.split("/");
  const filters = Object.fromEntries(new URLSearchParams(query));
  const days = PERIODS.includes(Number(filters.days)) && filters.days !== "" ? Number(filters.days) : DEFAULT_DAYS;
  delete filters.days;
  return { view: VIEWS.includes(view) ? view : "overview", key, days, filters };
}

/** The hash of a place; filters that say nothing are left out. */
export function hashOf({ view, key = "", days = DEFAULT_DAYS, filters = {} }) {
  const said = Object.entries(filters).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const query = new URLSearchParams(said);
  if (days !== DEFAULT_DAYS) query.set("days", String(days));
  const asked = query.toString();
  return `#/${view}${key ? `/${encodeURIComponent(key)}` : ""}${asked ? `?${asked}` : ""}`;
}

/** Where the reader is now. */
export function here() {
  return placeOf(location.hash);
}
