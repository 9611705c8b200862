import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { cli, root } from '../../support/cli.js';

const pages = ['README.md', ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);

/** The page whose commands are typed in order, in one folder: each uses what the one before made. */
const FOLLOWED = 'docs/getting-started.md';

/** Options that sections of their own explain for all commands. */
const EVERYWHERE: readonly string[] = ['--json', '--help', '--config', '--output'];

const textOf = (page: string): string => readFileSync(path.join(root, page), 'utf8');

/** The fenced blocks of a page in one language. */
function blocks(page: string, language: string): string[] {
  return [...textOf(page).matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1]);
}

/** Every block of every page in one language, to be named after its page. */
const allBlocks = (language: string): [page: string, index: number, code: string][] =>
  pages.flatMap((page) =>
    blocks(page, language).map((code, index): [string, number, string] => [page, index + 1, code]),
  );

/** The name of the file that an example is, as its first line says it. Such examples import each other. */
const fileName = (code: string): string | undefined => /^\/\/ (\S+\.mjs)\n/.exec(code)?.[1];

/** Runs one of a page's named examples, beside the others and where the package can be imported by name. */
function runFile(page: string, name: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-docs-'));
  try {
    mkdirSync(path.join(folder, 'node_modules'));
    symlinkSync(root, path.join(folder, 'node_modules', 'lockstep'));
    for (const code of blocks(page, 'js')) {
      const file = fileName(code);
      if (file !== undefined) writeFileSync(path.join(folder, file), code);
    }
    return execFileSync(process.execPath, [path.join(folder, name)], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a module as if it stood in the package's root, so that it can import the package by name. */
function run(code: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: root, encoding: 'utf8' });
}

/** What the comments of an example promise that it prints, and what of that `printed` does not hold in that order. */
function missing(code: string, printed: readonly string[]): string[] {
  const promised = [...code.matchAll(/\bconsole\.log\(.*\);[^\S\n]*\/\/ (.*)$/gm)].map((match) => match[1]);
  let line = 0;
  return promised.filter((text) => {
    // A typed array is printed with its class before it.
    const at = printed.findIndex((found, index) => index >= line && (found === text || found.endsWith(` ${text}`)));
    if (at >= 0) line = at + 1;
    return at < 0;
  });
}

/** What the compiler says of modules that stand in the package's root, strict as the package itself. */
function diagnose(modules: ReadonlyMap<string, string>): string[] {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (file) => modules.has(file) || fileExists(file);
  host.readFile = (file) => modules.get(file) ?? readFile(file);
  const program = ts.createProgram({
    rootNames: [...modules.keys()],
    options: { ...options, rootDir: root, noEmit: true, declaration: false, isolatedDeclarations: false },
    host,
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
}

describe('examples in the documentation', () => {
  it.each(allBlocks('js'))('%s, js %i, runs and prints what its comments say, in order', (page, _index, code) => {
    const file = fileName(code);
    // A file that prints nothing is run by the one that does.
    if (file !== undefined && !code.includes('console.log')) return;
    const printed = (file === undefined ? run(code) : runFile(page, file)).trim().split('\n');
    expect(missing(code, printed), printed.join('\n')).toEqual([]);
  });

  it('an example whose output is another, or in another order, is found out', () => {
    const code = 'console.log(1); // 1\nconsole.log(2);   // 2\n';
    expect(missing(code, ['1', '2'])).toEqual([]);
    expect(missing(code, ['2', '1'])).toEqual(['2']);
    expect(missing(code, ['1', '23'])).toEqual(['2']);
  });

  it('the TypeScript ones compile, and one that does not is found out', () => {
    const examples = allBlocks('ts');
    expect(examples.length).toBeGreaterThan(0);
    const at = (page: string, index: number): string => path.join(root, `${page.replaceAll('/', '-')}.${index}.ts`);
    const wrong = "import { superviseRanks } from 'lockstep';\nsuperviseRanks({ ranks: 'two' });\nexport {};\n";
    const found = diagnose(
      new Map([...examples.map(([page, index, code]) => [at(page, index), code] as const), [at('wrong', 1), wrong]]),
    );
    expect(found).toEqual([expect.stringContaining(at('wrong', 1))]);
  }, 120_000);

  /** Runs what a reader would type, but for npm's scripts, of which it is only asked that they exist. Returns what it prints. */
  function type(code: string, cwd: string): string {
    const scripts = Object.keys(JSON.parse(textOf('package.json')).scripts);
    for (const [, name] of code.matchAll(/^npm (?:run )?([\w:-]+)/gm)) expect(scripts).toContain(name);
    const rest = code.replaceAll(/^npm .*$/gm, '');
    const main = `'${process.execPath}' '${path.join(root, 'dist/cli/main.js')}' "$@"`;
    const commands = `lockstep() { ${main}; }\nnpx() { shift; ${main}; }\n${rest}`;
    const printed = execFileSync('sh', ['-e', '-c', commands], { cwd, encoding: 'utf8' });
    if (rest.trim() !== '') expect(printed).not.toBe('');
    return printed;
  }

  const apart = allBlocks('sh').filter(([page]) => page !== FOLLOWED);
  it.each(apart)('%s, sh %i, runs; of what npm would run there is a script', (_page, _index, code) => {
    type(code, root);
  });

  it(`${FOLLOWED} leads from a trace to its report, one block after the other`, () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-docs-'));
    try {
      const printed = blocks(FOLLOWED, 'sh').map((code) => type(code, folder));
      expect(printed).toHaveLength(5);
      expect(printed[2]).toMatch(/^ {2}arrivals +300 requests in [\d.]+ s, [345]\.\d+ a second$/m);
      expect(printed[2]).toMatch(/^ {2}vllm +--cudagraph-capture-sizes( \d+)+ 128$/m);
      expect(printed[3]).toBe(
        `${readFileSync(path.join(folder, 'report.html'), 'utf8').match(/<figure/g)?.length}\ntrue\n`,
      );
      expect(printed[4]).toMatch(/40 of 40 finished[\s\S]*: 0 mismatches\n/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('README shows an example of the SDK', () => {
    expect(blocks('README.md', 'js').length).toBeGreaterThan(0);
  });
});

describe('what the pages say of the command line', () => {
  /** A summary without its numbers; which device there is depends on the machine. */
  const shape = (summary: string): string[] =>
    summary
      .trim()
      .split('\n')
      .map((line) =>
        line
          .trim()
          .replace(/^device .*/, 'device')
          .replace(/\d[\d,.]*/g, '#')
          .replaceAll(/ +/g, ' '),
      );

  it('README shows the lines that a run prints', () => {
    const shown = blocks('README.md', 'text').filter((text) => text.startsWith('Ran '));
    expect(shown).toHaveLength(1);
    const { status, stdout } = cli(['run', '--requests', '20']);
    expect(status).toBe(0);
    expect(shape(shown[0])).toEqual(shape(stdout));
  });

  /** Names in backticks in the first column of the tables of a command's section. */
  function named(pattern: RegExp, command = 'run'): Set<string> {
    const section = textOf('docs/cli.md').split(`## \`lockstep ${command}\``)[1].split('\n## ')[0];
    const cells = [...section.matchAll(/^\| (`.*?) \|/gm)].map((match) => match[1]);
    return new Set(cells.flatMap((cell) => [...cell.matchAll(pattern)].map((match) => match[1])));
  }

  it('cli.md explains every key of the JSON document, and no other', () => {
    const { schemaVersion, ...keys } = JSON.parse(cli(['run', '--requests', '2', '--json']).stdout);
    expect(schemaVersion).toBe(1);
    expect(named(/`([a-z]\w*)(?:\{\}|\[\])?`/gi)).toEqual(new Set(Object.keys(keys)));
  });

  it('cli.md explains every option of run, and no other', () => {
    const { stdout } = cli(['run', '--help']);
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1]);
    expect(named(/`(--[a-z-]+)/g)).toEqual(new Set(options.filter((name) => !EVERYWHERE.includes(name))));
    for (const heading of ['### `--config FILE`', '### `--output FORMAT`'])
      expect(textOf('docs/cli.md')).toContain(heading);
  });

  it('cli.md explains every key of a plan, and every option that run has not, and no other', () => {
    const { schemaVersion, ...keys } = JSON.parse(cli(['plan', '--requests', '9', '--ranks', '1', '--json']).stdout);
    expect(schemaVersion).toBe(1);
    const all = named(/`([a-z]\w*)(?:[[{][^`]*)?`/gi, 'plan');
    expect(all).toEqual(new Set(Object.keys(keys)));
    const { stdout } = cli(['plan', '--help']);
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1]);
    const shared = new Set([...named(/`(--[a-z-]+)/g), ...EVERYWHERE, '--steps', '--log']);
    shared.delete('--tensor-parallel-size');
    expect(named(/`(--[a-z-]+)/g, 'plan')).toEqual(new Set(options.filter((name) => !shared.has(name))));
  });
});

it('every page the README names exists, and every page is named', () => {
  const names = [...textOf('README.md').matchAll(/\]\((docs\/[^)#]+)/g)].map((match) => match[1]);
  expect(new Set(pages.slice(1))).toEqual(new Set(names));
});
