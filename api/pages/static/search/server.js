// What the page asks its own server.

/** An answer that is a problem (RFC 9457). */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || `The server answered ${status}.`);
    this.status = status;
    this.body = body;
  }
}

async function json(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, body);
  return body;
}

/** Ask for something of the HTTP interface. */
export async function get(path, signal) {
  return json(await fetch(`/api/v1${path}`, { headers: { accept: "application/json" }, signal }));
}

/** Send something to the HTTP interface. */
export async function post(path, body, signal) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  return json(await fetch(`/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body), signal }));
}

/** Return one page of the answer to a query, as markup that our own server has rendered. */
export async function answer(parameters, signal) {
  const response = await fetch(`/search/answer?${parameters}`, { headers: { accept: "text/html" }, signal });
  const html = await response.text();
  const page = new DOMParser().parseFromString(html, "text/html");
  const found = page.getElementById("answer");
  if (found) return found;
  const said = page.querySelector("[role=alert]");
  throw new Problem(response.status, { detail: said ? said.textContent.trim() : "The server did not answer the question." });
}

let known = null;

/** Return the properties that can be asked about: `{name, level, kinds, count, examples}`. */
export function properties() {
  known ??= get("/cohorts/properties").then((body) => body.items, (error) => { known = null; throw error; });
  return known;
}

/** Return the properties of that name and level; an unknown one has no kinds. */
export async function property(name, level) {
  const found = (await properties()).find((item) => item.name === name && item.level === level);
  return found || { name, level, kinds: [], count: 0, examples: [] };
}

/**
 * Return how the values of one property are spread over the answer to a query: `{facet, histogram, tree}`.
 *
 * What the server does not offer, or does not have for this property, is null.
 */
export async function spread(query, { name, kinds }, signal) {
  const body = { query, limit: 1, facets: [name] };
  if (kinds.includes("number")) body.histograms = [name];
  if (kinds.includes("term")) body.trees = [name];
  let found;
  try {
    found = await post("/cohorts/query", body, signal);
  } catch (error) {
    if (!(error instanceof Problem) || (!body.histograms && !body.trees)) throw error;
    found = await post("/cohorts/query", { query, limit: 1, facets: [name] }, signal);
  }
  const of = (members) => (members && members[name]) || null;
  return { facet: of(found.facets) || [], histogram: of(found.histograms), tree: of(found.trees) };
}
