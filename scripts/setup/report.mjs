import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { listFiles, placeFile } from './files.mjs';
import { hashAll } from './step.mjs';

/** @typedef {import('./step.mjs').Step} Step */

const OUTPUT = 'dist/report/bundle.js';
/** What is before this line goes into pages; what is after it stands in for a browser's document. */
const BORDER = '//# end of what goes into pages';

/** @type {Step} */
export const report = {
  name: 'report',
  does: `bundle the drawing of reports into ${OUTPUT} with esbuild`,
  inputs: ({ root }) => ({
    ...hashAll(
      root,
      ['plots', 'browser'].flatMap((folder) => listFiles(root, `src/report/${folder}`)),
    ),
    ...hashAll(root, ['package-lock.json', 'scripts/setup/report.mjs', 'src/text.ts']),
  }),
  async build({ root }) {
    // Loaded once the packages are there.
    const { build } = await import('esbuild');
    const common = /** @type {const} */ ({
      bundle: true,
      minify: true,
      write: false,
      absWorkingDir: root,
      metafile: true,
    });
    const [page, dom] = await Promise.all([
      build({
        ...common,
        entryPoints: ['src/report/browser/main.ts'],
        format: 'iife',
        globalName: 'lockstepPage',
        target: 'es2020',
        charset: 'utf8',
      }),
      build({
        ...common,
        stdin: { contents: "export { parseHTML } from 'linkedom/worker';", resolveDir: root },
        format: 'iife',
        globalName: 'lockstepDom',
        platform: 'browser',
        target: 'node20',
      }),
    ]);
    const text = [
      `/*\n${licences(root, page.metafile)}\n*/`,
      page.outputFiles[0].text.trim(),
      BORDER,
      `/*\n${licences(root, dom.metafile)}\n*/`,
      dom.outputFiles[0].text.trim(),
      'export { lockstepDom, lockstepPage };\n',
    ].join('\n');
    placeFile(root, OUTPUT, Buffer.from(text));
    return [OUTPUT];
  },
};

/**
 * The licences of the packages that are in a bundle, each text once, with the packages it is of.
 * @param {string} root
 * @param {import('esbuild').Metafile} metafile
 */
function licences(root, metafile) {
  const folders = new Set(
    Object.keys(metafile.inputs).flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []),
  );
  /** @type {Map<string, string[]>} */
  const texts = new Map();
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8'));
    const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map((one) => path.join(root, folder, one)).find(existsSync);
    const text =
      file === undefined
        ? `Licence: ${license}`
        : readFileSync(file, 'utf8')
            .trim()
            .replaceAll('*/', '* /')
            .replaceAll(/https?:\/\//g, '');
    texts.set(text, [...(texts.get(text) ?? []), `${name} ${version}`]);
  }
  return [...texts].map(([text, names]) => `${names.join(', ')}:\n${text}`).join('\n\n');
}
