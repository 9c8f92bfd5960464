// Random numbers from a seed, the same in every browser.

/** Uniform numbers in [0, 1): mulberry32, by Tommy Ettinger, public domain. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal numbers (Box and Muller, 1958), to four digits. */
export function normal(seed, count) {
  const next = uniform(seed);
  return Array.from({ length: count }, () => {
    const length = Math.sqrt(-2 * Math.log(1 - next()));
    return Math.round(1e4 * length * Math.cos(2 * Math.PI * next())) / 1e4;
  });
}
