// The server's own OpenAPI document, to be read by people.

import { byId, element } from "./page.js";
import { described, resolved } from "./schema.js";
import { Gone, Refused, openapi } from "./server.js";

const METHODS = ["get", "post", "put", "delete"];

async function begin() {
  let api;
  try {
    api = await openapi();
  } catch (error) {
    if (!(error instanceof Gone || error instanceof Refused)) throw error;
    byId("about").textContent = `The document is not to be had: ${error.message}`;
    return;
  }
  const { info } = api;
  byId("title").textContent = info.title ?? "The API";
  byId("about").textContent = info.description ?? "";
  byId("operations").replaceChildren(...groups(api));
}

/** Operations under their first tag, in the document's order. */
function groups(api) {
  const operations = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => method in item).map((method) => {
      const operation = resolved(api, item[method]);
      return {
        path,
        method,
        ...operation,
        parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((one) => resolved(api, one)),
      };
    }),
  );
  const tags = Map.groupBy(operations, ({ tags }) => tags?.[0] ?? "");
  return Array.from(tags, ([tag, grouped]) =>
    element(
      "section",
      {},
      element("h2", {}, tag || "Operations"),
      ...grouped.map((operation) => shown(api, operation)),
    ),
  );
}

function shown(api, operation) {
  const { method, path, summary, description } = operation;
  const head = element(
    "summary",
    {},
    element("b", { className: "method" }, method.toUpperCase()),
    " ",
    element("code", {}, path),
    " ",
    element("span", {}, summary ?? ""),
  );
  return element(
    "details",
    { className: "operation" },
    head,
    ...paragraphs(description),
    ...parameters(api, operation),
    ...body(api, operation),
    ...responses(api, operation),
  );
}

const paragraphs = (text = "") =>
  text
    .split(/\n\s*\n/)
    .filter(Boolean)
    .map((part) => element("p", {}, part));

function parameters(api, { parameters: all }) {
  if (!all.length) return [];
  const items = all.flatMap(({ name, in: place, required, schema, description }) => [
    element("dt", {}, element("code", {}, name)),
    element(
      "dd",
      {},
      [place, described(api, schema), required ? "required" : "optional"].join(", "),
      ...(description ? [element("p", {}, description)] : []),
    ),
  ]);
  return [element("h3", {}, "Parameters"), element("dl", {}, ...items)];
}

function body(api, { requestBody, method, path }) {
  if (!requestBody) return [];
  const contents = Object.entries(resolved(api, requestBody).content ?? {});
  return [
    element("h3", {}, "Body"),
    ...contents.flatMap(([kind, media]) => [
      element("p", { className: "small" }, kind),
      ...shape(api, media),
      ...examples(media).map(([name, value]) =>
        element("pre", { className: "example", tabIndex: 0 }, curl(method, path.replace("{name}", name), value)),
      ),
    ]),
  ];
}

const shape = (api, { schema }) => (schema ? [element("pre", { tabIndex: 0 }, described(api, schema))] : []);

/** By the names that they have; those of a path with a model in it are called as the model. */
function examples({ example, examples: named = {} }) {
  const all = [["{name}", example], ...Object.entries(named).map(([name, { value }]) => [name, value])];
  return all.filter(([, value]) => value !== undefined);
}

function curl(method, path, example) {
  const quoted = JSON.stringify(example).replaceAll("'", "'\\''");
  return `curl -s -X ${method.toUpperCase()} ${new URL(`.${path}`, document.baseURI)} -d '${quoted}'`;
}

function responses(api, { responses: all = {} }) {
  const items = Object.entries(all).flatMap(([status, response]) => {
    const { description = "", content = {} } = resolved(api, response);
    const shapes = Object.values(content).flatMap((media) => shape(api, media));
    return [element("dt", {}, element("code", {}, status)), element("dd", {}, description, ...shapes)];
  });
  return [element("h3", {}, "Answers"), element("dl", {}, ...items)];
}

begin();
