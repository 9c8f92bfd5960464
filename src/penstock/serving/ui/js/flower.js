// Change the features of a table: sliders, the probability of each class, and a map of the predictions.

import { bars } from "./answers.js";
import { Blossom } from "./blossom.js";
import { FlowerMap } from "./map.js";
import { Newest } from "./newest.js";
import { byId, choice, element, percent } from "./page.js";
import { predict } from "./server.js";

// For a model without the ranges of its features.
const SOME_RANGE = [0, 10];
const STEPS = 100;

/** Returns a function that repeats the requests, for a server that was down. */
export function flowerPanel(models, trouble) {
  const newest = new Newest(work, (error) => trouble.report(error));
  const map = new FlowerMap(byId("flower-map"), byId("flower-axes"), placed);
  let model, features, inputs, chart, blossom;
  choice(byId("flower-models"), models, take, ({ name }) => name);
  take(models[0]);
  return changed;

  function take(chosen) {
    model = chosen;
    features = featuresOf(model);
    inputs = features.map(({ low, high, step }, at) => slider(`flower-${at}`, low, high, step));
    inputs.forEach((input) => input.addEventListener("input", changed));
    byId("flower-sliders").replaceChildren(...features.map((feature, at) => labelled(feature, inputs[at])));
    chart = bars(model.classes);
    byId("flower-bars").replaceChildren(chart.place);
    blossom = new Blossom(
      byId("flower-blossom"),
      features.map(({ name }) => name),
    );
    map.take(model, features);
    changed();
  }

  /** Moves the two features of a point on the map. */
  function placed(moves) {
    for (const [at, value] of moves) inputs[at].value = value;
    changed();
  }

  function changed() {
    const values = inputs.map((input) => Number(input.value));
    inputs.forEach((input, at) => {
      input.setAttribute("aria-valuetext", shown(values[at], features[at]));
      byId(`${input.id}-value`).textContent = shown(values[at], features[at]);
    });
    map.mark(values);
    blossom.show(values);
    newest.ask({ model, values });
  }

  async function work({ model: asked, values }, stale) {
    const answer = await predict(asked, values);
    if (asked !== model) return;
    chart.show(answer);
    byId("flower-verdict").textContent = `${answer.label}, ${percent(answer.probabilities[answer.label])}`;
    byId("flower-time").textContent = `${asked.name}, ${answer.milliseconds.toFixed(1)} ms`;
    if (!stale()) await map.ask(values);
    trouble.past();
  }
}

/** Names and unit from the model's description of its input, "a, b and c in cm"; ranges from the data. */
function featuresOf(model) {
  const [, names, unit = ""] = /^(.*?)(?: in (\S+))?$/.exec(model.parameters.input ?? "");
  const named = names.split(/, (?:and )?/);
  const ranges = JSON.parse(model.parameters.ranges ?? "[]");
  return Array.from({ length: model.inputs[0].shape[1] }, (_, at) => {
    const [low, high] = ranges[at] ?? SOME_RANGE;
    return { name: named[at] ?? `feature ${at + 1}`, unit, low, high, step: stepOf(high - low) };
  });
}

/** A power of ten that divides the range into tens of steps. */
const stepOf = (range) => 10 ** Math.ceil(Math.log10(range / STEPS));

const shown = (value, { unit, step }) =>
  `${value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))} ${unit}`.trim();

function slider(id, min, max, step) {
  const input = element("input", { type: "range", id });
  // In this order: a value is clamped to the current limits.
  Object.assign(input, { min, max, step });
  input.value = (min + max) / 2;
  return input;
}

const labelled = ({ name }, input) =>
  element(
    "div",
    { className: "slider" },
    element("label", { htmlFor: input.id }, name),
    element("output", { id: `${input.id}-value`, htmlFor: input.id }),
    input,
  );
