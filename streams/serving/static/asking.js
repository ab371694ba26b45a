// Questions to the page's server. Answers come with the SQL that was asked.

export class Trouble extends Error {
  constructor(message, advice = "", status = 0) {
    super(message);
    this.advice = advice;
    this.status = status;
  }
}

function address(folder, question, given) {
  const said = Object.entries(given).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const query = new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
  return `${folder}/${question}${query ? `?${query}` : ""}`;
}

async function get(path, signal) {
  let response;
  try {
    response = await fetch(path, { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("unreachable");
  }
  const body = await response.json().catch(() => ({ error: response.statusText }));
  if (!response.ok) throw new Trouble(body.error ?? response.statusText, body.advice ?? "", response.status);
  return body;
}

/** Answer of a question, its rows as objects by column under `records`. */
export async function ask(question, given = {}, signal = undefined) {
  const answer = await get(address("api", question, given), signal);
  answer.records = answer.rows.map((row) =>
    Object.fromEntries(answer.columns.map((column, index) => [column, row[index]])),
  );
  answer.file = address("csv", question, given);
  return answer;
}

/** Version, database, and ClickHouse's HTTP address. */
export function askPlace() {
  return get("api");
}
