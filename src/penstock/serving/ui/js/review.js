// Write a review: all text classifiers predict its label, and the weight of each word.

import { Answers } from "./answers.js";
import { Newest } from "./newest.js";
import { byId, element } from "./page.js";
import { explain, predict } from "./server.js";
import { coloured, heaviest, moved } from "./words.js";

const EXAMPLES = {
  Praise: "What a wonderful film. I laughed, I cried, and the ending is one of the best I have ever seen.",
  Pan: "Two hours of my life that I want back: a boring plot, awful acting, and not one good joke.",
  Torn: "A beautiful score and great actors, wasted on a script so dull that I nearly fell asleep.",
  Irony: "If you love being lectured by cardboard villains, this is the perfect movie for you.",
};

/** Returns a function that repeats the requests, for a server that was down. */
export function reviewPanel(models, trouble) {
  const text = byId("review-text");
  const answers = new Answers(byId("review-answers"), models, changed);
  const newest = new Newest(work, (error) => trouble.report(error));
  let last = { text: "", weights: [], label: null };

  byId("review-examples").replaceChildren(
    ...Object.entries(EXAMPLES).map(([name, words]) => {
      const button = element("button", { type: "button" }, name);
      button.addEventListener("click", () => write(words));
      return button;
    }),
  );
  text.addEventListener("input", changed);
  write(EXAMPLES.Torn);
  return changed;

  function write(words) {
    text.value = words;
    changed();
  }

  function changed() {
    last = { ...last, text: text.value, weights: moved(last.weights, last.text, text.value) };
    show();
    newest.ask(text.value);
  }

  async function work(review, stale) {
    if (!review.trim()) return forget();
    const given = await Promise.all(models.map((model) => predict(model, review)));
    models.forEach((model, at) => answers.show(model, given[at]));
    if (stale()) return;
    const { chosen } = answers;
    const { label, weights } = await explain(chosen, review);
    last = { text: text.value, weights: moved(weights, review, text.value), label };
    show();
    if (stale()) return;
    byId("review-spoken").textContent = models.map((model, at) => `${model.name}: ${given[at].label}`).join(", ");
    byId("review-heaviest").textContent = `Words with the largest weights for ${chosen.name}`;
    byId("review-weights").replaceChildren(...heaviest(review, weights, label));
    trouble.past();
  }

  function forget() {
    last = { text: "", weights: [], label: null };
    models.forEach((model) => answers.show(model, null));
    byId("review-weights").replaceChildren();
    byId("review-spoken").textContent = "";
    show();
  }

  function show() {
    byId("review-mirror").replaceChildren(...coloured(text.value, last.weights));
    byId("review").querySelector(".verdict").textContent = last.label ? `“${last.label}”` : "the verdict";
  }
}
