// The answer of any model: bars of classes, several labels, numbers, or whatever else it gives.

import { element, percent } from "./page.js";

const MOST_BARS = 12;
const MOST_NUMBERS = 16;
const MOST_LETTERS = 2000;
const NEARLY = 1e-3;
const DIGITS = 6;

/** The elements that show an answer of /predict. */
export function result(model, answer) {
  const { label, labels, probabilities } = answer;
  const isNamed = probabilities !== undefined && !Array.isArray(probabilities);
  if (isNamed && labels !== undefined) return [listed(labels), bars(Object.entries(probabilities), labels)];
  if (isNamed) return [big(`${label}, ${percent(probabilities[label])}`), bars(Object.entries(probabilities), [label])];
  return model.outputs.flatMap(({ name }) => output(model, name, answer));
}

function output(model, name, answer) {
  const value = answer[name];
  const title = element("h3", {}, name);
  const values = Array.isArray(value) ? value : [value];
  if (areShares(values)) return [title, bars(values.map((share, at) => [classOf(model, name, at), share]), [String(answer.label)])];
  if (values.every((one) => typeof one === "number") && values.length <= MOST_NUMBERS)
    return values.flatMap((number, at) => shownNumber(model, name, number, values.length > 1 ? at : null));
  if (!Array.isArray(value)) return [title, big(String(value))];
  return [title, element("pre", {}, cut(JSON.stringify(value)))];
}

/** Whether numbers are probabilities of classes. */
function areShares(values) {
  const areNumbers = values.length > 1 && values.every((value) => typeof value === "number" && value >= 0 && value <= 1);
  return areNumbers && Math.abs(values.reduce((sum, value) => sum + value, 0) - 1) < NEARLY;
}

/** The name of a class, by the metadata of the file; else its number. */
function classOf(model, name, at) {
  try {
    return String(JSON.parse(model.parameters[`${name}.classes`])[at] ?? at);
  } catch {
    return String(at);
  }
}

function shownNumber(model, name, number, at) {
  const target = name === "prediction" ? model.targets?.[at ?? 0] : undefined;
  const title = target?.name ?? (at === null ? name : `${name} ${at + 1}`);
  const unit = target?.unit ? [element("small", {}, ` ${target.unit}`)] : [];
  const value = element("p", { className: "number" }, rounded(number), ...unit);
  return [element("div", {}, element("h3", {}, title), value)];
}

const rounded = (number) => String(Number(number.toPrecision(DIGITS)));

const big = (text) => element("p", { className: "big" }, text);

const cut = (text) => (text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}…` : text);

function listed(labels) {
  if (!labels.length) return big("None of the labels");
  return element("ul", { className: "labels" }, ...labels.map((name) => element("li", {}, name)));
}

/** A bar for each class; of many classes, the most probable ones. */
function bars(shares, winners) {
  const most = [...shares].sort((one, other) => other[1] - one[1]).slice(0, MOST_BARS);
  const shown = shares.length > MOST_BARS ? most : shares;
  return element("div", { className: "chart bars" }, ...shown.map(([name, share]) => bar(name, share, winners.includes(name))));
}

function bar(name, share, wins) {
  const fill = element("i");
  fill.style.setProperty("--share", share);
  return element(
    "span",
    { className: wins ? "part wins" : "part" },
    element("span", { className: "name" }, name),
    fill,
    element("span", { className: "share" }, percent(share)),
  );
}
