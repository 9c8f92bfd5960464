// Random numbers that a seed decides, in every browser alike.

/** Uniform numbers of 0..1 without 1: mulberry32, by Tommy Ettinger, public domain. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers of the standard normal distribution (Box and Muller, 1958), to four digits. */
export function normal(seed, count) {
  const next = uniform(seed);
  return Array.from({ length: count }, () => {
    const length = Math.sqrt(-2 * Math.log(1 - next()));
    return Math.round(1e4 * length * Math.cos(2 * Math.PI * next())) / 1e4;
  });
}
