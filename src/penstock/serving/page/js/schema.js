// A JSON schema in the words of a person: {"name": string, "shape": [integer, …]}.

const DEEPEST = 6; // a schema may refer to itself
const LONGEST_LINE = 60;

export function described(api, schema, depth = 0) {
  const { type, ...rest } = resolved(api, schema) ?? {};
  if (depth > DEEPEST) return "…";
  const inner = (part) => described(api, part, depth + 1);
  if (rest.const !== undefined) return JSON.stringify(rest.const);
  if (rest.enum) return rest.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = rest.oneOf ?? rest.anyOf;
  if (choices) return choices.map(inner).join(" | ");
  if (rest.allOf) return rest.allOf.map(inner).join(" & ");
  if (type === "array") return `[${rest.items ? `${inner(rest.items)}, …` : "…"}]`;
  if (type === "object" || rest.properties) return object(rest, inner, depth);
  return [type ?? "anything"].flat().join(" | ") + limits(rest);
}

function object({ properties = {}, required = [], additionalProperties }, inner, depth) {
  const margin = "  ".repeat(depth);
  const lines = Object.entries(properties).map(
    ([name, part]) => `${margin}  "${name}"${required.includes(name) ? "" : "?"}: ${inner(part)}`,
  );
  if (additionalProperties && typeof additionalProperties === "object")
    lines.push(`${margin}  …: ${inner(additionalProperties)}`);
  const short = `{${lines.map((line) => line.trim()).join(", ")}}`;
  if (short.length <= LONGEST_LINE && !short.includes("\n")) return lines.length ? short : "{…}";
  return `{\n${lines.join(",\n")}\n${margin}}`;
}

function limits({ minimum, maximum, format }) {
  if (minimum !== undefined && maximum !== undefined) return ` ${minimum}..${maximum}`;
  return format ? ` (${format})` : "";
}

/** What stands where the document only refers to it. */
export function resolved(api, part) {
  if (!part?.$ref) return part;
  const keys = part.$ref
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  return resolved(
    api,
    keys.reduce((place, key) => place[key], api),
  );
}
