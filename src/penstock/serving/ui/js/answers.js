// Predictions of several models for one input: a row for each, and one of them selected.

import { element, percent } from "./page.js";

const FEW_LETTERS = 2;

export class Answers {
  #rows;

  /** @param chosen is called with the model of the selected row; `pictured` adds a small canvas to each row */
  constructor(place, models, chosen, { pictured = false } = {}) {
    this.chosen = models[0];
    const group = `${place.id}-model`;
    this.#rows = new Map(models.map((model, at) => [model.name, row(model, { group, checked: at === 0, pictured })]));
    place.classList.toggle("pictured", pictured);
    place.setAttribute("role", "radiogroup");
    place.setAttribute("aria-label", "Predictions; the selected model is explained");
    place.replaceChildren(...Array.from(this.#rows.values(), ({ whole }) => whole));
    place.addEventListener("change", ({ target }) => {
      this.chosen = models.find((model) => model.name === target.value);
      chosen(this.chosen);
    });
  }

  /** @param answer of the server: label, probabilities by class, milliseconds; null for an empty input */
  show(model, answer) {
    const { verdict, chart, time, radio } = this.#rows.get(model.name);
    const probability = answer ? answer.probabilities[answer.label] : 0;
    verdict.replaceChildren(...(answer ? [element("b", {}, answer.label), ` ${percent(probability)}`] : ["–"]));
    time.textContent = answer ? `${answer.milliseconds.toFixed(1)} ms` : "";
    chart(answer);
    radio.setAttribute(
      "aria-label",
      answer ? `${model.name}: ${answer.label}, ${percent(probability)}, ${time.textContent}` : model.name,
    );
  }

  /** The small canvas in the model's row, for its input. */
  thumbnail(model) {
    return this.#rows.get(model.name).thumbnail;
  }
}

function row(model, { group, checked, pictured }) {
  const radio = element("input", { type: "radio", name: group, value: model.name, checked });
  radio.setAttribute("aria-label", model.name);
  const verdict = element("span", { className: "said" }, "–");
  const time = element("span", { className: "time" });
  const thumbnail = element("canvas", { className: "thumbnail", ariaHidden: "true" });
  const { place, show } = chartOf(model.classes);
  const name = element("span", { className: "name" }, model.name);
  const whole = element(
    "label",
    { className: "answer" },
    radio,
    ...(pictured ? [thumbnail] : []),
    name,
    verdict,
    place,
    time,
  );
  return { whole, radio, verdict, time, thumbnail, chart: show };
}

/** Columns for short class names, one bar from the middle for two classes, otherwise bars with names. */
export function chartOf(classes) {
  if (classes.length === 2) return split(classes);
  return classes.every((name) => name.length <= FEW_LETTERS) ? columns(classes) : bars(classes);
}

function columns(classes) {
  return chart(
    "columns",
    classes.map((name) => ({ name, bar: element("i"), text: element("small", {}, name) })),
  );
}

export function bars(classes) {
  const parts = classes.map((name) => ({
    name,
    text: element("span", {}, name),
    bar: element("i"),
    share: element("span", { className: "share" }),
  }));
  return chart("bars", parts);
}

function chart(className, parts) {
  const wholes = parts.map(({ name: _, ...shown }) => element("span", { className: "part" }, ...Object.values(shown)));
  const place = element("span", { className: `chart ${className}` }, ...wholes);
  place.ariaHidden = "true";
  const show = (answer) =>
    parts.forEach(({ name, bar, share }, at) => {
      const probability = answer?.probabilities[name] ?? 0;
      bar.style.setProperty("--share", probability);
      if (share) share.textContent = answer ? percent(probability) : "";
      wholes[at].classList.toggle("wins", answer?.label === name);
    });
  return { place, show };
}

function split([low, high]) {
  const bar = element("i");
  const track = element("span", { className: "track" }, bar);
  const place = element(
    "span",
    { className: "chart split" },
    element("small", {}, low),
    track,
    element("small", {}, high),
  );
  place.ariaHidden = "true";
  const show = (answer) => {
    const lean = answer ? 2 * answer.probabilities[high] - 1 : 0;
    bar.style.setProperty("--share", Math.abs(lean));
    place.dataset.leans = lean < 0 ? "low" : "high";
  };
  return { place, show };
}
