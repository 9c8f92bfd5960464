// A text with words coloured by their weights, and a list of the largest weights.

import { element } from "./page.js";
import { strongest } from "./heat.js";

const LISTED = 8;
const HARDLY = 0.05; // of the strongest weight: not coloured

/** Positions are in characters, as in Python; JavaScript's strings count some characters twice. */
const characters = (text) => Array.from(text);

/** The text as nodes, with a mark for each weighted word. */
export function coloured(text, weights) {
  const letters = characters(text);
  const most = strongest(weights.map(({ weight }) => weight));
  const nodes = [];
  let at = 0;
  for (const { start, end, weight } of weights) {
    nodes.push(letters.slice(at, start).join(""), marked(letters.slice(start, end).join(""), weight / most));
    at = end;
  }
  // An empty last line has a height only if something follows it.
  return [...nodes, letters.slice(at).join(""), "\u200b"];
}

function marked(words, share) {
  if (Math.abs(share) < HARDLY) return words;
  const mark = element("mark", { className: share > 0 ? "for" : "against" }, words);
  mark.style.setProperty("--share", Math.abs(share));
  return mark;
}

/** Keeps the weights of an older text for the common beginning and end of a newer one, while the user types. */
export function moved(weights, older, newer) {
  const [before, after] = [characters(older), characters(newer)];
  const shorter = Math.min(before.length, after.length);
  let front = 0,
    back = 0;
  while (front < shorter && before[front] === after[front]) front += 1;
  while (back < shorter - front && before.at(-1 - back) === after.at(-1 - back)) back += 1;
  const grown = after.length - before.length;
  return weights.flatMap(({ start, end, weight }) => {
    if (end <= front) return [{ start, end, weight }];
    if (start >= before.length - back) return [{ start: start + grown, end: end + grown, weight }];
    return [];
  });
}

/** List items of the words with the largest weights, of either sign. */
export function heaviest(text, weights, label) {
  const letters = characters(text);
  const sorted = [...weights].sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, LISTED);
  const most = strongest(weights.map(({ weight }) => weight));
  return sorted.map(({ start, end, weight }) => {
    const bar = element("i", { className: weight > 0 ? "for" : "against" });
    bar.style.setProperty("--share", Math.abs(weight) / most);
    const number = `${weight > 0 ? "+" : "−"}${Math.abs(weight).toFixed(2)}`;
    const said = element("span", { className: "unseen" }, weight > 0 ? ` for ${label}` : ` against ${label}`);
    return element(
      "li",
      {},
      element("span", { className: "word" }, letters.slice(start, end).join("")),
      element("span", { className: "track" }, bar),
      element("b", {}, number),
      said,
    );
  });
}
