import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');

/** Turns of phrase that a reader stumbles over, with a plain one. */
const STUMBLES: readonly (readonly [RegExp, string])[] = [
  [/\b(?:to|can|cannot|could) be had\b|\bis had\b|\bhad or refused\b/, 'is available, opens'],
  [/\b(?:a|each|every|next|whose|its) turns?\b(?! of\b)|\btakes? turns\b/, 'iteration; next use; alternate'],
  [/\b(?:is|are|was|were|be|not) told\b|\btold (?:as|apart|by|at|in)\b/, 'written, reported, given'],
  [/\b(?:is|are|be) nobody's\b|\bnobody\b/, 'no rank, no thread'],
  [/\b(?:wishes|wished|wishing)\b|\bwish (?:to|micro-batches)\b/, 'wants, votes to'],
  [/\bcomes? to agree\b|\bcome by\b|\bfor want of\b/, 'agree; get; for lack of'],
  [/\bas (?:it|they) once (?:was|were)\b/, 'former'],
  [/\bfor all the (?:compiler|engine) knows\b/, 'as the compiler must assume'],
  [/^(?:Of|Beside) (?:few|what|who)\b/, 'subject and verb first'],
];

/** Folders whose comments are read, and the endings of their files. */
const SOURCES: Readonly<Record<string, readonly string[]>> = {
  src: ['.ts'],
  asc: ['.ts'],
  native: ['.cc', '.h'],
};

interface Passage {
  readonly place: string;
  readonly text: string;
}

it('finds every stumble in a comment, a message and a page, and none in code', () => {
  const found = (text: string, name = 'a.ts'): string[] =>
    stumbles(passages(name, text).map((passage) => ({ ...passage, place: '' }))).map(
      (line) => line.split('"')[1] ?? '',
    );
  expect(found('/** A device that cannot be had. */')).toEqual(['cannot be had']);
  expect(found('// sixteen requests a turn')).toEqual(['a turn']);
  expect(found('/**\n * What is said\n * is told by its content.\n */')).toEqual(['is told']);
  expect(found("fail('no GPU to be had');")).toEqual(['to be had']);
  expect(found('`the rank wishes to end`')).toEqual(['wishes']);
  expect(found('| a | it is had or refused |', 'a.md')).toEqual(['is had']);
  expect(found('// Of few rows the last.')).toEqual(['Of few']);
  expect(found('const told = wishes(turn, nobody);')).toEqual([]);
  expect(found('```js\nconst nobody = 1;\n```', 'a.md')).toEqual([]);
});

it('keeps comments, messages and pages free of them', () => {
  const files = [
    ...Object.entries(SOURCES).flatMap(([folder, endings]) => filesOf(folder, endings)),
    'README.md',
    ...filesOf('docs', ['.md']),
  ];
  expect(files.length).toBeGreaterThan(300);
  expect(files.flatMap((name) => stumbles(passages(name, readFileSync(path.join(root, name), 'utf8'))))).toEqual([]);
});

function stumbles(all: readonly Passage[]): string[] {
  return all.flatMap(({ place, text }) =>
    STUMBLES.flatMap(([pattern, plain]) => {
      const found = pattern.exec(text);
      return found === null ? [] : [`${place}: "${found[0]}" in "${text.slice(0, 90)}"; better: ${plain}`];
    }),
  );
}

/** What people read of a file: the lines of comments and of texts of several words; of a page all but its code. */
function passages(name: string, content: string): Passage[] {
  let code = false;
  return content.split('\n').flatMap((line, index): Passage[] => {
    const place = `${name}:${index + 1}`;
    if (name.endsWith('.md')) {
      if (line.startsWith('```')) code = !code;
      // Names of mutations, which the tests have too.
      const kept = !code && !/\| (?:check|oracle|votes|replicas|properties): /.test(line);
      return kept ? [{ place, text: line }] : [];
    }
    const comment = /^\s*(?:\/\*\*?|\*|\/\/) ?(.*?)(?:\*\/)?$/.exec(line)?.[1] ?? / \/\/ (.*)$/.exec(line)?.[1];
    const texts = [...line.matchAll(/'([^']* [^']* [^']*)'|`([^`]* [^`]* [^`]*)`|"([^"]* [^"]* [^"]*)"/g)];
    return [
      ...(comment === undefined ? [] : [comment]),
      ...texts.map((text) => text[1] ?? text[2] ?? text[3] ?? ''),
    ].map((text) => ({ place, text }));
  });
}

function filesOf(folder: string, endings: readonly string[]): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.includes(path.extname(entry.name)))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((name) => !/node_modules|\/build\/|docs\/history/.test(name))
    .sort();
}
