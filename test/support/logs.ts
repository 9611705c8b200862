import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

/** The lines of a log that says it is complete, but the last, which says so. */
export function completeLog<T>(file: string): T[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  expect(lines.pop()).toBe('');
  const records = lines.map((line) => JSON.parse(line));
  expect(records.pop()).toEqual({ schemaVersion: 1, end: records.length });
  return records;
}
