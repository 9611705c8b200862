import { attemptText, type DeviceAttempt } from '../device/index.js';

/** Of lines that go on about an entry. */
export const INDENT: string = ' '.repeat(15);

/** What was looked for, whether it is there, and why. */
export function entry(name: string, available: boolean, reason: string): string {
  return `  ${name.padEnd(8)} ${available ? 'yes' : 'no '} ${reason}`;
}

/** What was tried for something that is not available; the reason alone where that was nothing. */
export function triedLines(name: string, reason: string, attempts: readonly DeviceAttempt[]): string[] {
  if (attempts.length === 0) return [entry(name, false, reason)];
  return [entry(name, false, 'tried'), ...attempts.map((attempt) => `${INDENT}${attemptText(attempt)}`)];
}
