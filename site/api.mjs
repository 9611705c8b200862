// Pages of the public names: one for each entry of package.json's exports, from the comments in its sources.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Application, TSConfigReader, TypeDocReader } from 'typedoc';
import { pages, root } from './paths.mjs';

/** @typedef {{ readonly name: string, readonly source: string, readonly page: string }} Entry */

/**
 * Entries that people import, with the source and the page of each.
 * @returns {Entry[]}
 */
export function entries() {
  const { name: own, exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  return Object.entries(exports).flatMap(([name, { types } = {}]) => {
    if (types === undefined) return [];
    const source = types.replace('./dist/', 'src/').replace(/\.d\.ts$/, '.ts');
    const page = name === '.' ? 'lockstep' : name.slice(2);
    return [{ name: path.posix.join(own, name), source, page }];
  });
}

/** Writes the pages into the folder `api` beside the others. Throws where a link in a comment leads nowhere. */
export async function writeApi() {
  const folder = path.join(pages, 'api');
  rmSync(folder, { recursive: true, force: true });
  const all = entries();
  const app = await Application.bootstrapWithPlugins(
    {
      options: path.join(root, 'site/typedoc.json'),
      entryPoints: all.map(({ source }) => path.join(root, source)),
      out: folder,
      logLevel: 'Warn',
    },
    [new TypeDocReader(), new TSConfigReader()],
  );
  const project = await app.convert();
  if (project === undefined) throw new Error('TypeDoc could not read the sources');
  for (const module of project.children ?? []) {
    const entry = all.find(({ source }) => source === `src/${module.name}.ts`);
    if (entry === undefined) throw new Error(`no entry of package.json has the source of ${module.name}`);
    module.name = entry.page;
  }
  app.validate(project);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('TypeDoc has something to say, above');
  for (const { name, page } of all) retitle(path.join(folder, `${page}.md`), name);
  writeFileSync(path.join(folder, 'index.md'), overview(all));
  rmSync(path.join(folder, 'README.md'), { force: true });
}

/** Gives a page the name by which it is imported. */
function retitle(/** @type {string} */ file, /** @type {string} */ name) {
  if (!existsSync(file)) throw new Error(`TypeDoc wrote no ${path.basename(file)}`);
  const text = readFileSync(file, 'utf8').replace(/^# .*\n/, `# ${name}\n`);
  writeFileSync(file, text);
}

/** The page that lists the entries, each with the first comment of its source. */
function overview(/** @type {Entry[]} */ all) {
  const rows = all.map(({ name, source, page }) => {
    const comments = readFileSync(path.join(root, source), 'utf8').match(/^(?:\/\/.*\n)+/)?.[0] ?? '';
    const about = comments
      .replaceAll(/^\/\/ ?/gm, '')
      .trim()
      .replaceAll('\n', ' ')
      .replace(/^`[^`]+`: /, '');
    return `| [${name}](${page}.md) | ${about} |`;
  });
  return `# API\n\nEvery public name, by the entry that exports it.\n\n| entry | holds |\n|---|---|\n${rows.join('\n')}\n`;
}
