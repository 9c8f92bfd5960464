// The server's HTTP interface, as far as this page uses it. URLs are relative, so that the page works behind a prefix.

/** An error response; the message is the server's. */
export class ErrorResponse extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The server did not answer. */
export class Unreachable extends Error {}

const PATIENCE_MS = 20_000;
const TOKEN = "token";

/** @param body of a POST request: a value that is sent as JSON, or a file */
async function ask(path, body) {
  const isFile = body instanceof Blob;
  const asked = body === undefined ? {} : { method: "POST", body: isFile ? body : JSON.stringify(body) };
  const type = isFile ? body.type : "application/json";
  let response, answer;
  try {
    response = await fetch(path, { ...asked, headers: headers(type), signal: AbortSignal.timeout(PATIENCE_MS) });
    answer = await response.json();
  } catch {
    throw new Unreachable("The server does not answer.");
  }
  if (!response.ok) throw new ErrorResponse(answer.error ?? response.statusText, response.status);
  return answer;
}

function headers(type) {
  return { "Content-Type": type, ...(token() ? { Authorization: `Bearer ${token()}` } : {}) };
}

/** The token of this tab, or null. */
export const token = () => sessionStorage.getItem(TOKEN);

/** Keeps the token until the tab is closed. */
export const useToken = (value) => sessionStorage.setItem(TOKEN, value);

/** The metadata of every served model. */
export async function servedModels() {
  const names = Object.keys(await ask("models"));
  return Promise.all(names.map((name) => ask(`v2/models/${encodeURIComponent(name)}`)));
}

/** Predicts one row: label, probabilities, and the server's time in milliseconds. */
export const predict = (model, value) =>
  ask(`predict/${encodeURIComponent(model.name)}`, { [model.inputs[0].name]: value });

/** Predicts a row of columns by the name of each input, or an image file. */
export const predictRow = (model, row, background = "dark") =>
  ask(`predict/${encodeURIComponent(model.name)}?background=${background}`, row);

/** Explains one row: the weight of each pixel or word. */
export const explain = (model, value) =>
  ask(`explain/${encodeURIComponent(model.name)}`, { [model.inputs[0].name]: value });

/** Runs many rows: `tensors` are flat numbers by input name, the result flat numbers by output name. */
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

/** Whether the server answers. */
export async function alive() {
  try {
    await ask("v2/health/live");
    return true;
  } catch (error) {
    if (error instanceof Unreachable || error instanceof ErrorResponse) return false;
    throw error;
  }
}
