// CQL2 JSON as text (OGC 21-065r2), in the same canonical form as the server's.

const RESERVED = new Set(
  ("and or not in is null like between true false has count under casei accenti date timestamp interval div point " +
    "linestring polygon multipoint multilinestring multipolygon geometrycollection bbox envelope").split(" "),
);
const COMPARISONS = new Set(["=", "<>", "<", "<=", ">", ">="]);

/** Tell whether an operator compares. */
export const compares = (op) => COMPARISONS.has(op);

/** Tell whether a node joins others. */
export const joins = (node) => Boolean(node) && (node.op === "and" || node.op === "or");

/** Return a property's name as it stands in a text. */
export function nameText(name) {
  const plain = /^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$/.test(name) && !RESERVED.has(name);
  return plain ? name : `"${name.replaceAll('"', '""')}"`;
}

/** Return a literal as it stands in a text. */
export function literalText(value) {
  if (value === true) return "TRUE";
  if (value === false) return "FALSE";
  return typeof value === "number" ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
}

function operandText(value) {
  if (value && typeof value === "object") {
    if ("property" in value) return nameText(value.property);
    if ("op" in value) return textOf(value);
  }
  return literalText(value);
}

function part(node, ...kinds) {
  return node && kinds.includes(node.op) ? `(${textOf(node)})` : textOf(node);
}

function leafText(node, no = "") {
  const [first, ...rest] = node.args;
  const left = operandText(first);
  if (node.op === "between") return `${left}${no} BETWEEN ${literalText(rest[0])} AND ${literalText(rest[1])}`;
  if (node.op === "in") return `${left}${no} IN (${rest[0].map(literalText).join(", ")})`;
  if (node.op === "like") return `${left}${no} LIKE ${literalText(rest[0])}`;
  if (node.op === "isNull") return `${left} IS NULL`;
  if (compares(node.op)) return `${left} ${node.op} ${operandText(rest[0])}`;
  return `${node.op}(${node.args.map(operandText).join(", ")})`;
}

function notText(node) {
  if (node && node.op === "isNull") return `${operandText(node.args[0])} IS NOT NULL`;
  if (node && ["between", "in", "like"].includes(node.op)) return leafText(node, " NOT");
  return `NOT ${part(node, "and", "or")}`;
}

/** Return a condition as text. */
export function textOf(node) {
  if (node === true) return "TRUE";
  if (node === false) return "FALSE";
  if (node.op === "and") return node.args.map((each) => part(each, "or")).join(" AND ") || "TRUE";
  if (node.op === "or") return node.args.map(textOf).join(" OR ") || "FALSE";
  if (node.op === "not") return notText(node.args[0]);
  return leafText(node);
}
