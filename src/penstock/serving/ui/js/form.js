// A form for any model, made from its columns, and its answer.

import { fieldOf, fieldsOf } from "./fields.js";
import { Newest } from "./newest.js";
import { byId, choice } from "./page.js";
import { result } from "./result.js";
import { predictRow } from "./server.js";

/** Returns a function that repeats the requests, for a server that was down. */
export function formPanel(models, trouble) {
  const newest = new Newest(work, (error) => trouble.report(error));
  let model, fields;
  choice(byId("form-models"), models, take, ({ name }) => name);
  byId("form-reset").addEventListener("click", () => take(model));
  take(models[0]);
  return changed;

  function take(chosen) {
    model = chosen;
    fields = fieldsOf(model).map((column, at) => fieldOf(column, `form-${at}`, changed));
    byId("form-about").textContent = model.parameters.input || `One row for ${model.name}.`;
    byId("form-fields").replaceChildren(...fields.map(({ place }) => place));
    byId("form-reset").hidden = !fields.length;
    changed();
  }

  function changed() {
    newest.ask({ model, fields });
  }

  async function work({ model: asked, fields: filled }) {
    const open = filled.filter((field) => !field.isFilled());
    if (open.length) return say(asked, [], `Fill in: ${open.map(({ name }) => name).join(", ")}.`);
    const [only] = filled;
    const isImage = filled.length === 1 && only.file;
    const answer = await predictRow(asked, isImage ? await only.file() : await rowOf(asked, filled), only?.background?.());
    say(asked, result(asked, answer), `${asked.name}, ${answer.milliseconds.toFixed(1)} ms`);
    trouble.past();
  }

  function say(asked, shown, note) {
    if (asked !== model) return;
    byId("form-result").replaceChildren(...shown);
    byId("form-note").textContent = note;
  }
}

/** The row of a request: values by the name of each input; columns of one input are a list. */
async function rowOf(model, fields) {
  const row = Object.fromEntries(model.inputs.map(({ name }) => [name, null]));
  for (const { column, value } of fields) {
    const given = await value();
    if (column.place === undefined) row[column.input] = given;
    else (row[column.input] ??= [])[column.place] = given;
  }
  return row;
}
