import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { root } from '../../support/cli.js';
import { allBlocks, blocks } from '../../support/doc-blocks.js';

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

  it('README shows an example of the SDK', () => {
    expect(blocks('README.md', 'js').length).toBeGreaterThan(0);
  });
});
