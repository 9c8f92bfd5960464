// A field of the form for each column of a model.

import { imageField } from "./imagefield.js";
import { element } from "./page.js";

const MOST_FIELDS = 64;
const MOST_ZEROS = 1000;
const STEPS = 100;
const ISO_DATE = /^\d{4}-\d\d-\d\d$/;

/** The columns that get a field; the values of a long row are one list. */
export function fieldsOf(model) {
  const shapes = new Map(model.inputs.map(({ name, shape }) => [name, shape]));
  if (model.columns.length <= MOST_FIELDS)
    return model.columns.map((column) => ({ ...column, shape: shapes.get(column.input) }));
  const [{ name, shape, datatype }] = model.inputs;
  return [{ name, input: name, kind: "tensor", datatype, shape }];
}

/**
 * A field: its `place` in the form, whether it `isFilled`, and its `value` in a row.
 * @param changed is called when the user changes it
 */
export function fieldOf(column, id, changed) {
  const make = { number, category, boolean, text, date, tensor, image: imageField }[column.kind];
  return { name: column.name, column, ...make(column, id, changed) };
}

function number(column, id, changed) {
  const input = element("input", { type: "number", id, inputMode: "decimal" });
  input.step = isInteger(column) ? 1 : "any";
  input.value = column.example ?? middle(column);
  const { place, hint } = framed(column, id, input, range(column));
  const check = () => hint.classList.toggle("outside", isOutside(column, input));
  input.addEventListener("input", () => {
    check();
    changed();
  });
  check();
  return {
    place,
    isFilled: () => !input.validity.badInput && (input.value !== "" || hasDefault(column)),
    value: () => (input.value === "" ? gap(column) : Number(input.value)),
  };
}

/** What an empty field sends: the server knows the missing value of a whole input, but not of a part of one. */
const gap = ({ place, missing }) => (place === undefined ? null : missing);

/** JSON has no NaN for a part of an input. */
const hasDefault = ({ place, missing }) => missing !== undefined && (place === undefined || missing !== "NaN");

const isInteger = ({ datatype }) => /^U?INT/.test(datatype);

function isOutside({ range }, { value }) {
  return range !== undefined && value !== "" && (Number(value) < range[0] || Number(value) > range[1]);
}

/** A round number in the middle of the training data. */
function middle(column) {
  if (!column.range) return "";
  const [low, high] = column.range;
  const step = isInteger(column) || high === low ? 1 : 10 ** Math.ceil(Math.log10((high - low) / STEPS));
  return Number((Math.round((low + high) / 2 / step) * step).toPrecision(6));
}

const range = ({ range }) => (range ? `${range[0]} to ${range[1]} in the training data` : "");

function category(column, id, changed) {
  if (!column.categories) return line(column, id, changed, { type: "text" });
  const options = column.categories.map((name) => element("option", { value: name }, name));
  const select = choices(id, column, options, changed);
  select.value = column.example ?? column.categories[0];
  const number = column.datatype === "BYTES" ? String : Number;
  const { place } = framed({ ...column, missing: undefined }, id, select);
  return { place, isFilled: () => true, value: () => (isGap(select) ? null : number(select.value)) };
}

function boolean(column, id, changed) {
  if (column.missing !== undefined) {
    const options = ["true", "false"].map((name) => element("option", { value: name }, name));
    const select = choices(id, column, options, changed);
    const { place } = framed({ ...column, missing: undefined }, id, select);
    return { place, isFilled: () => true, value: () => (isGap(select) ? null : select.value === "true") };
  }
  const box = element("input", { type: "checkbox", id, checked: column.example ?? false });
  box.addEventListener("change", changed);
  const { place } = framed(column, id, box, "", "switch");
  return { place, isFilled: () => true, value: () => box.checked };
}

function choices(id, { missing }, options, changed) {
  if (missing !== undefined) options = [...options, element("option", { value: "", dataset: { gap: true } }, "(missing)")];
  const select = element("select", { id }, ...options);
  select.addEventListener("change", changed);
  return select;
}

const isGap = (select) => "gap" in select.selectedOptions[0].dataset;

function date(column, id, changed) {
  const isIso = ISO_DATE.test(column.example ?? "2000-01-01");
  return line(column, id, changed, { type: isIso ? "date" : "text" });
}

function text(column, id, changed) {
  const area = element("textarea", { id, rows: 4, value: column.example ?? "" });
  return textual(column, id, area, changed, "broad");
}

function line(column, id, changed, properties) {
  return textual(column, id, element("input", { id, value: column.example ?? "", ...properties }), changed, "");
}

function textual(column, id, input, changed, className) {
  input.addEventListener("input", changed);
  const { place } = framed(column, id, input, "", className);
  return {
    place,
    isFilled: () => input.value !== "" || column.missing !== undefined,
    value: () => input.value || (column.missing === undefined ? "" : null),
  };
}

/** A field for lists in JSON, for what has no better one. */
function tensor(column, id, changed) {
  const shape = column.shape?.slice(1) ?? [];
  const area = element("textarea", { id, rows: 3, spellcheck: false, value: zeros(column.datatype, shape) });
  area.addEventListener("input", () => {
    area.classList.toggle("wrong", parsed() === undefined);
    changed();
  });
  const { place } = framed(column, id, area, `a list in JSON, ${column.datatype} [${shape.join(", ")}]`, "broad");
  return { place, isFilled: () => parsed() !== undefined, value: parsed };

  function parsed() {
    try {
      return JSON.parse(area.value);
    } catch {
      return undefined;
    }
  }
}

/** Zeros in a list of a shape with one for each open size; nothing for a long one. */
function zeros(datatype, shape) {
  const sizes = shape.map((size) => Math.max(1, size));
  if (sizes.reduce((all, size) => all * size, 1) > MOST_ZEROS) return "";
  const zero = { BYTES: "", BOOL: false }[datatype] ?? 0;
  return JSON.stringify(sizes.reduceRight((inner, size) => Array(size).fill(inner), zero)).replaceAll(",", ", ");
}

const label = ({ name, unit }, id) =>
  element("label", { htmlFor: id }, name, ...(unit ? [element("span", { className: "unit" }, ` ${unit}`)] : []));

/** A field with its label, and a hint of its description, its range, and whether it may be empty. */
function framed(column, id, input, more = "", className = "") {
  const empty = hasDefault(column) ? "may be empty" : "";
  const told = [column.description, more, empty].filter(Boolean).join("; ");
  const hint = element("span", { className: "told", id: `${id}-hint`, hidden: !told }, told);
  input.setAttribute("aria-describedby", hint.id);
  const place = element("div", { className: `field ${className}` }, label(column, id), input, hint);
  return { place, hint };
}
