/** "1 token", "2 tokens", "4,096 tokens". */
export function countOf(value: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(value)} ${value === 1 ? noun : plural}`;
}

/** A whole number with thousands separators. Loading a locale for that would take as long as simulating 20,000 steps. */
export function grouped(value: number): string {
  return `${Math.round(value)}`.replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A ratio in percent, with three digits that tell small ones apart: 146 %, 27.5 %, 1.35 %, 0.095 %. */
export function percentOf(ratio: number): string {
  const value = 100 * ratio;
  if (value > 0 && value < 0.001) return '< 0.001 %';
  const short = Number(value.toPrecision(3));
  if (Math.abs(short) >= 100) return `${grouped(value)} %`;
  return `${Math.abs(short) >= 10 ? short.toFixed(1) : Number(short.toFixed(3))} %`;
}

/** A number with three significant digits, or all of the whole part of a larger one. */
export function shortNumber(value: number): string {
  const short = Number(value.toPrecision(3));
  return Math.abs(short) >= 1000 ? grouped(value) : `${short}`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes in the largest unit of which there is at least one. */
export function bytesOf(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (Math.round(Math.abs(value)) >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${shortNumber(value)} ${BYTE_UNITS[unit]}`;
}

/** A text as a POSIX shell reads it back as one word. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
