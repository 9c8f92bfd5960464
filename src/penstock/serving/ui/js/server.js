// The server's HTTP interface, as far as this page uses it. Addresses are relative: the page works behind a prefix.

/** The server said no; the message is its own. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Nobody answered. */
export class Gone extends Error {}

const PATIENCE_MS = 20_000;
const TOKEN = "token";

async function ask(path, body) {
  const asked = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  let response, answer;
  try {
    response = await fetch(path, { ...asked, headers: headers(), signal: AbortSignal.timeout(PATIENCE_MS) });
    answer = await response.json();
  } catch {
    throw new Gone("The server does not answer.");
  }
  if (!response.ok) throw new Refused(answer.error ?? response.statusText, response.status);
  return answer;
}

function headers() {
  return { "Content-Type": "application/json", ...(token() ? { Authorization: `Bearer ${token()}` } : {}) };
}

/** The token of this tab, or null. */
export const token = () => sessionStorage.getItem(TOKEN);

/** A token for a server that wants one; the browser forgets it with the tab. */
export const useToken = (value) => sessionStorage.setItem(TOKEN, value);

/** What each served model takes and gives, in the protocol's words. */
export async function servedModels() {
  const names = Object.keys(await ask("models"));
  return Promise.all(names.map((name) => ask(`v2/models/${encodeURIComponent(name)}`)));
}

/** One row, as people ask: its label and probabilities, and the milliseconds it took the server. */
export const predict = (model, value) =>
  ask(`predict/${encodeURIComponent(model.name)}`, { [model.inputs[0].name]: value });

/** One row, and what each part of it did to the answer. */
export const explain = (model, value) =>
  ask(`explain/${encodeURIComponent(model.name)}`, { [model.inputs[0].name]: value });

/** Many rows at once: `tensors` are flat numbers by input name, the answer flat numbers by output name. */
export async function infer(model, rows, tensors) {
  const inputs = [...model.inputs, ...(model.optional_inputs ?? [])]
    .filter(({ name }) => name in tensors)
    .map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape: [rows, ...shape.slice(1)],
      data: Array.from(tensors[name]),
    }));
  const answer = await ask(`v2/models/${encodeURIComponent(model.name)}/infer`, { inputs });
  return Object.fromEntries(answer.outputs.map(({ name, data }) => [name, data]));
}

/** The server's own description of itself. */
export const openapi = () => ask("openapi.json");

/** Whether there is a server at all. */
export async function alive() {
  try {
    await ask("v2/health/live");
    return true;
  } catch (error) {
    if (error instanceof Gone || error instanceof Refused) return false;
    throw error;
  }
}
