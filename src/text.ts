/** "1 token", "2 tokens". */
export function countOf(value: number, noun: string, plural = `${noun}s`): string {
  return `${value} ${value === 1 ? noun : plural}`;
}

/** A whole number with thousands separators. Loading a locale for that would take as long as simulating 20,000 steps. */
export function grouped(value: number): string {
  return `${Math.round(value)}`.replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A ratio in percent, with as many digits as tell small ones apart: 27.5 %, 0.09 %. */
export function percentOf(ratio: number): string {
  const value = 100 * ratio;
  if (value === 0) return '0 %';
  if (value >= 100) return `${grouped(value)} %`;
  return `${value >= 10 ? value.toFixed(1) : Number(value.toPrecision(2))} %`;
}

/** A number with three significant digits, or all of the whole part of a larger one. */
export function shortNumber(value: number): string {
  return Math.abs(value) >= 1000 ? grouped(value) : `${Number(value.toPrecision(3))}`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes in the largest unit of which there is at least one. */
export function bytesOf(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (Math.abs(value) >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${shortNumber(value)} ${BYTE_UNITS[unit]}`;
}
