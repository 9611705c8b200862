import { expect } from 'vitest';
import { readLines, shownLines, WRITE } from '../support/doc-blocks.js';

const PAGE = 'docs/check.md';

/** What each mistake of a group was caught by, in order, beside the table of docs/check.md that says so. */
export class CaughtTable {
  readonly #block: string;
  readonly #rows: string[] = ['| mistake | caught by |', '|---|---|'];
  readonly #known: ReadonlyMap<string, string>;

  constructor(group: string) {
    this.#block = `mutations of ${group}`;
    const rows = readLines(PAGE, this.#block).map((row) => row.split(' | '));
    this.#known = new Map(rows.map(([name = '', by = '']) => [name.slice(2), by.slice(0, -2)]));
  }

  get size(): number {
    return this.#rows.length - 2;
  }

  /** What the page says a mistake is caught by; nothing where the page is being written, so that the first law is found anew. */
  known(mutation: string): string | undefined {
    return WRITE ? undefined : this.#known.get(mutation);
  }

  add(mutation: string, by: string): void {
    this.#rows.push(`| ${mutation} | ${by} |`);
  }

  /** With LOCKSTEP_DOCS=write the groups write one page: take one after the other, with --maxWorkers=1. */
  expectShown(): void {
    expect(shownLines(PAGE, this.#block, this.#rows)).toEqual(this.#rows);
  }
}
